import { expect, test } from "vitest";
import table from "../../problems.json";
import { inWords, ofCode } from "./problems";

test("a refusal is said with its values, as each language writes them", () => {
  expect(inWords("too_many_points", { limit: 200_000 }, "vi")).toBe("Kết quả có hơn 200.000 điểm; hãy chọn khoảng thời gian ngắn hơn, bước dài hơn hoặc ít trạm, đơn vị hơn");
  expect(inWords("too_many_points", { limit: 200_000 }, "en")).toContain("ore than 200,000 points");
  expect(inWords("too_long", { field: "note", limit: 2000 }, "vi")).toBe("Lưu ý cho ca sau: tối đa 2.000 ký tự");
  expect(inWords("not_over", { until: "2026-12-01T00:00:00+07:00" }, "vi")).toBe("Kỳ chưa kết thúc, kéo dài đến 00:00 01/12/2026");
  expect(inWords("expired", { before: "2026-01-31" }, "vi")).toContain("Trước ngày 31/01/2026 ");
  expect(inWords("role", { act: "publish" }, "vi")).toBe("Vai trò của tài khoản không được công bố số liệu");
  expect(inWords("exclusive", { field: "as_of", other: "reported" }, "vi")).toBe("Không dùng cùng lúc đơn vị theo ngày và theo đơn vị lúc báo cáo");
  expect(inWords("from_a_later_server", {}, "vi")).toBe("");
});

test("the refusal of a socket, of which only the code is known, is said when that is enough", () => {
  expect(ofCode("too_many_replays", "vi")).toContain("mỗi người tối đa 4");
  expect(["no_scope", "signed out", ""].map((code) => ofCode(code, "vi"))).toEqual(["", "", ""]);
});

test.each(Object.keys(table.codes))("%s has a sentence in both languages, with nothing left open", (code) => {
  const known = (table.codes as Record<string, { vi: string; en: string }>)[code]!;
  const params = Object.fromEntries([...(known.vi + known.en).matchAll(/\{(\w+)\}/g)].map((m) => [m[1], "x"]));
  for (const lang of ["vi", "en"] as const) expect(inWords(code, params, lang)).toMatch(/^[^{}]+$/u);
  expect(inWords(code, params, "vi")).not.toBe(inWords(code, params, "en"));
});
