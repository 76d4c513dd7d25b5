import { describe, expect, it } from "vitest";
import { boxOf, cells, distance, fit, hull, pathOf, place, type Geometry } from "./geo";

const square: Geometry = { type: "Polygon", coordinates: [[[103, 22], [104, 22], [104, 23], [103, 23], [103, 22]]] };

describe("drawing flat", () => {
  it("fits a shape into its frame, north up, whichever way its ring is wound", () => {
    const project = fit(boxOf([square]), 1000, 500, 10);
    const [x0, y0] = project(103, 22), [x1, y1] = project(104, 23);
    expect(y0).toBeCloseTo(490);
    expect(y1).toBeCloseTo(10);
    expect(x1 - x0).toBeCloseTo(480 * Math.cos((22.5 * Math.PI) / 180));
    const turned = { ...square, coordinates: [square.coordinates[0].toReversed()] };
    expect(boxOf([turned])).toEqual(boxOf([square]));
    expect(pathOf(square, project)).toMatch(/^M.*Z$/);
  });
  it("gives every point a cell, also one or two or twins", () => {
    expect(cells([[5, 5]], 10, 10)).toEqual(["M0 0H10V10H0Z"]);
    expect(cells([[2, 5], [8, 5]], 10, 10).every(Boolean)).toBe(true);
    expect(cells([[2, 5], [2, 5], [8, 5]], 10, 10)).toHaveLength(3);
  });
  it("frames a slice by its hull", () => {
    expect(hull([[0, 0], [10, 0], [5, 1], [5, 9]])).not.toContain("5.0 1.0");
    expect(hull([[1, 2]])).toBe("M1.0 2.0Z");
    expect(hull([[1, 2], [3, 4]])).toBe("M1.0 2.0L3.0 4.0Z");
  });
  it("knows how far it is from Lào Cai to Sa Pa", () => expect(distance({ lat: 22.486, lon: 103.971 }, { lat: 22.336, lon: 103.841 })).toBeCloseTo(21.4, 0));
});

describe("names", () => {
  const at = (text: string, x: number, y: number, weight = 1) => ({ text, x, y, weight, gap: 5 });
  it("do not overlap; the weightier stays", () => {
    const placed = place([at("Bản Hồ", 50, 50), at("Sa Pa", 51, 50, 9), at("Tả Van", 52, 50), at("Cam Đường", 53, 51), at("Mường Bo", 52, 51), at("Y Tý", 51, 51)], 14, 300, 100, 9);
    expect(placed[0]!.text).toBe("Sa Pa");
    expect(placed.length).toBeLessThan(6);
  });
  it("stay inside, once each, no more than the limit", () => {
    expect(place([at("Bản Hồ", 299, 50)], 14, 300, 100, 9)[0]!.anchor).toBe("end");
    expect(place([at("Sa Pa", 50, 50), at("Sa Pa", 150, 50)], 14, 300, 100, 9)).toHaveLength(1);
    expect(place([at("A", 50, 50), at("B", 150, 50), at("C", 250, 50)], 14, 300, 100, 2)).toHaveLength(2);
  });
});
