window.onhashchange = route;
drawHead();
drawTotals();
drawClasses();
drawTable();
drawCurves();
drawTraining();
drawAbout();
route();
