// Bundles each file of src/ into one file of static/dist/. Run by build.py; needs no network.
import { build } from "esbuild";

const out = process.argv[2];
if (!out) {
  console.error("usage: node build.mjs FOLDER");
  process.exit(2);
}

await build({
  entryPoints: ["src/app.js", "src/charts.js", "src/editor.js"],
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2021",
  legalComments: "linked",
  logLevel: "error",
});
