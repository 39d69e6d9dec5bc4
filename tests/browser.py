"""Headless Chromium for tests of pages."""

import shutil
from contextlib import contextmanager

import pytest

FLAGS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
    '--force-prefers-reduced-motion',
)


@contextmanager
def open_browser(profile, size=(1280, 900)):
    """Start Chromium with an empty profile, or skip the test if it is not installed."""
    webdriver = pytest.importorskip('selenium.webdriver', reason='NO PAGE IS TESTED: pip install selenium')
    browser, driver = (shutil.which(name) for name in ('chromium', 'chromedriver'))
    if not (browser and driver):
        pytest.skip('NO PAGE IS TESTED: there is no Chromium; apt-get install chromium chromium-driver')
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f'--user-data-dir={profile}', f'--window-size={size[0]},{size[1]}'):
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    page = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield page
    finally:
        page.quit()
