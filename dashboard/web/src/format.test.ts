import { describe, expect, it } from "vitest";
import { clock, day, dayTime, hourMinute, moment, num, placesOf, share, short, signed, secondsFrom, span, withSymbol } from "./format";

const at = Date.parse("2026-11-21T19:14:07Z"); // 02:14:07 on the 22nd in Vietnam

describe("numbers", () => {
  it.each([
    [num(1879, 0, "vi"), "1.879"], [num(1879, 0, "en"), "1,879"], [num(1234567.5, 1, "vi"), "1.234.567,5"],
    [withSymbol(87.55, 2, "%", "vi"), "87,55\u00a0%"], [withSymbol(87.55, 2, "%", "en"), "87.55\u00a0%"],
    [num(-0.04, 1, "vi"), "0,0"], [num(-2.5, 1, "vi"), "−2,5"],
    [signed(0.8, 1, "vi"), "+0,8"], [signed(-0.4, 1, "vi"), "−0,4"], [signed(0.001, 1, "vi"), "0,0"],
    [short(95, 2, "vi"), "95"], [short(81.5, 2, "vi"), "81,5"], [short(87.55, 2, "vi"), "87,55"],
    [share(95, 99, "vi"), "95/99"], [share(1096, 1645, "vi"), "1.096/1.645"],
  ])("%s is %s", (got, want) => expect(got).toBe(want));
  it("are what the browser's own formats make of them", () => {
    const formats = { vi: "vi-VN", en: "en-GB" } as const;
    const wrong: string[] = [];
    let seed = 7;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    const values = [0, 0.5, 1.5, 2.5, 1.005, 0.045, 999.995, 1e-7, 4.9e-324, 1e15, 2 ** 53, 1.5e20, 123456789.125];
    for (let i = 0; i < 3000; i++) values.push(random() * 10 ** Math.floor(random() * 18 - 4), Math.round(random() * 1e6) / 10 ** Math.floor(random() * 5));
    for (const lang of ["vi", "en"] as const) for (const decimals of [0, 1, 2, 3, 4]) {
      const f = new Intl.NumberFormat(formats[lang], { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
      for (const v of values) for (const signed of [v, -v]) {
        const want = f.format(signed).replace("-", "−");
        const got = num(signed, decimals, lang);
        if (got !== (/[1-9]/.test(want) ? want : want.replace("−", ""))) wrong.push(`${signed} to ${decimals} in ${lang}: ${got}, not ${want}`);
      }
    }
    expect(wrong).toEqual([]); // once: a hundred thousand comparisons of the framework take seconds
  });
});

describe("times", () => {
  it.each([
    [clock(at), "02:14:07"], [hourMinute(at), "02:14"], [day(at), "22/11/2026"], [dayTime(at), "22/11 02:14"],
    [moment(at, at + 3_600_000), "02:14"], [moment(at, at + 86_400_000), "22/11 02:14"],
    [clock(Date.parse("2026-11-21T17:00:00Z")), "00:00:00"],
    [span(40_400, "vi"), "40\u00a0giây"], [span(12 * 60_000 + 5_000, "vi"), "12\u00a0phút"], [span(3 * 3_600_000, "en"), "3\u00a0h"],
    [secondsFrom(-20_400, "vi"), "−20\u00a0giây"], [secondsFrom(40_000, "vi"), "+40\u00a0giây"], [secondsFrom(120, "en"), "0\u00a0s"],
    [span(50 * 3_600_000, "vi"), "2\u00a0ngày"], [span(-5, "vi"), "0\u00a0giây"],
  ])("%s is %s", (got, want) => expect(got).toBe(want));
});

describe("an axis", () => {
  it("has as many decimals as tell its marks apart, and no more", () => {
    expect([20, 1, 2.5, 0.5, 0.1, 0.05, 0.25, 0.001].map(placesOf)).toEqual([0, 0, 1, 1, 1, 2, 2, 3]);
  });
});
