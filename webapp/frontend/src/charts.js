// On pages with curves: window.uPlot, with its style sheet in charts.css.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

window.uPlot = uPlot;
