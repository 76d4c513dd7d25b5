import { describe, expect, it } from "vitest";
import { bytesOf, readUnits } from "./units";

const head = (size: number, key: number, timestamp: bigint, duration: number): number[] => {
  const v = new DataView(new ArrayBuffer(20));
  v.setUint32(0, size);
  v.setUint8(4, key);
  v.setBigInt64(8, timestamp);
  v.setUint32(16, duration);
  return [...new Uint8Array(v.buffer)];
};
const message = (...bytes: number[]) => new Uint8Array([7, ...bytes]).subarray(1); // from within a larger one

describe("access units", () => {
  const two = [...head(3, 1, 90_000_000_000n, 40_000), 1, 2, 3, ...head(1, 0, -5n, 1), 9];
  it("are read one after the other", () => {
    expect(readUnits(message(...two)).map((u) => ({ ...u, data: [...u.data] }))).toEqual([
      { key: true, timestamp: 90_000_000_000, duration: 40_000, data: [1, 2, 3] }, { key: false, timestamp: -5, duration: 1, data: [9] },
    ]);
  });
  it("that are cut off end the list", () => {
    for (let n = 0; n < two.length; n++) expect(readUnits(message(...two.slice(0, n)))).toHaveLength(n < 23 ? 0 : 1);
  });
  it("have a description in base64", () => { expect([...bytesOf("AWQAH/8=")]).toEqual([1, 100, 0, 31, 255]); });
});
