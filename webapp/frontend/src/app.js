// On every page: htmx, whose settings stand in the page's head (no eval, no inline style).
import htmx from "htmx.org";

window.htmx = htmx;
