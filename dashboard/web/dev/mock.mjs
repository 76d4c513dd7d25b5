// A stand-in for the server while pages are drawn: the built pages, the contract,
// and a believable province that moves. `npm run build && npm run mock`, then
// http://127.0.0.1:8090/wall. Needs ffmpeg for pictures. Never part of the product.
// Options: PORT; UNITS, a GeoJSON of units with code and name, for real shapes;
// CALM=1; EXERCISE=1; HELD=WHY, nothing can be written; QUIET=MS, after which it stops talking; GUEST=1, not signed in.
import { execFileSync } from "node:child_process";
import { readFileSync, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { WebSocketServer } from "ws";

const dist = join(import.meta.dirname, "../dist");
const env = process.env, epoch = "mock-" + Date.now();
let signedIn = !env.GUEST, seed = 7;
const rnd = () => ((seed = (seed * 1664525 + 1013904223) >>> 0) / 2 ** 32);
const pick = (a) => a[Math.floor(rnd() * a.length)];
const tx = (vi, en = vi) => ({ vi, en });

const places = `Lào Cai 22.486 103.971|Cam Đường 22.417 104.006|Hợp Thành 22.367 103.930|Cốc San 22.438 103.905|Gia Phú 22.334 104.087|Sa Pa 22.336 103.841|Tả Van 22.300 103.890|Mường Bo 22.243 103.985|Bản Hồ 22.248 103.930|Tả Phìn 22.404 103.852|Bát Xát 22.535 103.890|Mường Hum 22.535 103.705|Y Tý 22.655 103.628|A Mú Sung 22.745 103.735|Trịnh Tường 22.680 103.745|Bản Xèo 22.500 103.745|Mường Khương 22.765 104.115|Pha Long 22.815 104.200|Bản Lầu 22.620 104.030|Cao Sơn 22.655 104.185|Si Ma Cai 22.695 104.290|Sín Chéng 22.645 104.275|Bắc Hà 22.540 104.290|Tả Củ Tỷ 22.610 104.400|Lùng Phình 22.600 104.330|Bản Liền 22.480 104.420|Cốc Lầu 22.400 104.290|Bảo Nhai 22.420 104.190|Phong Hải 22.470 104.120|Bảo Thắng 22.330 104.150|Tằng Loỏng 22.270 104.110|Xuân Quang 22.300 104.230|Bảo Yên 22.230 104.480|Nghĩa Đô 22.380 104.560|Xuân Hoà 22.300 104.540|Phúc Khánh 22.190 104.590|Bảo Hà 22.170 104.350|Văn Bàn 22.090 104.250|Võ Lao 22.180 104.190|Khánh Yên 22.060 104.290|Nậm Xé 22.030 103.990|Minh Lương 22.010 104.140|Chiềng Ken 21.990 104.330|Yên Bái 21.720 104.900|Âu Lâu 21.700 104.840|Lục Yên 22.110 104.760|Lâm Thượng 22.200 104.690|Yên Bình 21.750 105.050|Thác Bà 21.740 105.010|Bảo Ái 21.900 104.850|Văn Yên 21.870 104.680|Đông Cuông 21.950 104.590|Lâm Giang 22.050 104.450|Trấn Yên 21.650 104.800|Mậu A 21.880 104.690|Văn Chấn 21.540 104.600|Nghĩa Lộ 21.600 104.510|Trạm Tấu 21.470 104.390|Phình Hồ 21.520 104.440|Mù Cang Chải 21.850 104.090|Púng Luông 21.770 104.230|Tú Lệ 21.770 104.290|Khao Mang 21.880 103.980|Nậm Có 21.830 104.340`.split("|");
const centre = (g) => { const r = (g.type === "Polygon" ? g.coordinates : g.coordinates.reduce((a, b) => (b[0].length > a[0].length ? b : a)))[0]; return r.reduce((s, p) => [s[0] + p[0] / r.length, s[1] + p[1] / r.length], [0, 0]); };
const layer = env.UNITS ? JSON.parse(readFileSync(env.UNITS, "utf8")) : null;
const units = layer
  ? layer.features.map((f) => { const [lon, lat] = centre(f.geometry); return { code: f.properties.code, name: f.properties.name, lat, lon }; })
  : places.map((p, i) => { const m = p.match(/^(.+) ([\d.]+) ([\d.]+)$/); return { code: String(2600 + i).padStart(5, "0"), name: m[1], lat: +m[2], lon: +m[3] }; });
const unit = (name) => units.find((u) => u.name.includes(name)) ?? units[8];
const beside = (u) => ({ lat: +(u.lat + (rnd() - 0.5) * 0.04).toFixed(4), lon: +(u.lon + (rnd() - 0.5) * 0.04).toFixed(4) });

const now = () => Date.now(), stations = {}, cameras = {}, kpis = {}, alarms = {};
const wet = (u) => Math.max(0, 1 - Math.hypot(u.lat - 22.25, u.lon - 103.95) / 0.75);
for (let i = 0; i < 150; i++) {
  const u = units[i % units.length], calm = !!env.CALM;
  const v = (x, extra) => ({ v: x, t: now() - rnd() * 9000, until: now() + 60_000, q: "good", stale: false, ...extra });
  const d = calm ? rnd() * 4 : wet(u) * (70 + rnd() * 50), win = (k, n) => ({ v: +(d * k).toFixed(1), n: n - Math.floor(rnd() * 2), m: n });
  const s = { name: tx(u.name), unit: u.code, ...beside(u), state: "fresh", severity: "calm", values: {} };
  const kind = i < 100 ? "rain" : pick(["wind_speed", "air_temperature", "soil_moisture", "pm25"]);
  if (kind === "rain") s.values.rain = v(+(d / 90).toFixed(1), { w: { "1h": win(0.22, 6), "3h": win(0.5, 18), "6h": win(0.7, 36), "24h": win(1, 144), "72h": i % 9 ? win(1.2, 432) : { v: null, n: 201, m: 432 } } });
  else s.values[kind] = v({ wind_speed: 3, air_temperature: 21, soil_moisture: 60, pm25: 18 }[kind] + rnd() * 5);
  if (!calm && d > 75) s.severity = "notice";
  if (i % 37 === 5) { s.state = "silent"; for (const x of Object.values(s.values)) { x.stale = true; x.t = now() - 14 * 60_000; x.until = now() - 60_000; } }
  stations[`LC-${kind.toUpperCase().slice(0, 4)}-${String(i).padStart(3, "0")}`] = s;
}
const gauge = (id, name, u, river, at, levels, extra) => { stations[id] = { name: tx(name), unit: unit(u).code, ...beside(unit(u)), state: "fresh", severity: "calm", river, levels: { water_level: levels }, values: { water_level: { v: at, t: now(), until: now() + 60_000, q: "good", stale: false, ...(env.CALM ? {} : extra) } } }; };
gauge("LC-WL-003", "Suối Mường Hoa", "Bản Hồ", "Suối Mường Hoa", 412.9, [412.5, 413.2, 414], { rise_h: 0.8, eta_ms: 25 * 60_000, next: 2 });
gauge("LC-WL-001", "Sông Hồng, cầu Cốc Lếu", "Cam Đường", "Sông Hồng", 78.31, [80, 81.5, 83], { rise_h: 0.35, eta_ms: 4.8 * 3.6e6, next: 1 });
gauge("LC-WL-002", "Sông Chảy, Bảo Yên", "Bảo Yên", "Sông Chảy", 69.4, [71, 73, 75], { rise_h: 0.1 });
gauge("LC-WL-004", "Sông Thao, Yên Bái", "Yên Bái", "Sông Thao", 27.86, [30, 31, 32], { rise_h: -0.05 });
if (!env.CALM) { stations["LC-WL-003"].severity = "critical"; stations["LC-WL-001"].severity = "warning"; }

["Cầu Cốc Lếu|Cam Đường|traffic", "Cửa khẩu Kim Thành|Cốc San|border", "Quảng trường Sa Pa|Sa Pa|tourism", "Ga cáp treo Fansipan|Tả Van|tourism", "Chợ Bắc Hà|Bắc Hà|tourism", "Ngã tư Hoàng Liên|Lào Cai|traffic", "Cầu Phố Mới|Gia Phú|traffic", "Đèo Ô Quy Hồ|Tả Phìn|traffic", "Suối Mường Hoa|Bản Hồ|disaster", "Ngã ba Bản Lầu|Bản Lầu|traffic", "Hồ Thác Bà|Thác Bà|disaster", "Cầu Yên Bái|Yên Bái|traffic"].forEach((row, i) => {
  const [name, u, kind] = row.split("|"), id = `cam-${String(i + 1).padStart(2, "0")}`;
  cameras[id] = { name: tx(name), kind, unit: unit(u).code, ...beside(unit(u)), state: "live", since: now() - 36e5, why: null, fps: 12, kbps: 240 + i * 7, loss: 0, key_at: now(), seen_at: now(), recorder: "" };
});
const ail = (id, state, min, vi, en) => Object.assign(cameras[id], { state, since: now() - min * 6e4, key_at: now() - min * 6e4, why: tx(vi, en), fps: state === "frozen" ? 12 : 0 });
if (!env.CALM) { ail("cam-09", "frozen", 12, "Cùng một hình lặp lại", "One picture repeats"); ail("cam-08", "offline", 4, "Không trả lời", "No answer"); }

const kpi = (id, vi, en, symbol, decimals, v, target, better, more = {}) => {
  const spark = Array.from({ length: 40 }, (_, i) => [now() - (40 - i) * 36e5, i === 17 || i === 18 ? null : +(v * (1 + (rnd() - 0.6) * 0.03) - (40 - i) * v * 0.0004).toFixed(decimals)]);
  kpis[id] = { name: tx(vi, en), symbol, decimals, domain: "service", v, n: 97, m: 99, t: now() - 90_000, until: now() + 9e5, stale: false, q: "good", target, target_source: "QĐ 766/QĐ-TTg", better, spark, delta: +(v * 0.004).toFixed(decimals), rank: { place: 7, of: 18 }, province: null, units: Object.fromEntries(units.map((u) => [u.code, +(v * (0.9 + rnd() * 0.15)).toFixed(decimals)])), ...more };
};
kpi("on_time_share", "Tỷ lệ giải quyết đúng hạn", "Resolved on time", "%", 2, 96.21, 95, "higher");
kpi("dossiers_overdue", "Hồ sơ quá hạn", "Dossiers overdue", "hồ sơ", 0, env.CALM ? 0 : 1041, 0, "lower", { delta: 6 });
kpi("online_share", "Hồ sơ trực tuyến", "Online dossiers", "%", 2, 87.55, 80, "higher");
kpi("satisfaction", "Mức độ hài lòng", "Satisfaction", "%", 1, 88.4, 90, "higher", { delta: -0.4 });
kpi("feedback_on_time_share", "Phản ánh trả lời đúng hạn", "Feedback answered on time", "%", 1, null, 95, "higher", { n: 31, delta: null });
kpi("e_document_share", "Văn bản điện tử", "Electronic documents", "%", 1, 97.3, 95, "higher", env.CALM ? {} : { stale: true, t: now() - 42 * 6e4, until: now() - 6e5 });
kpi("guests_staying", "Khách lưu trú", "Guests staying", "", 0, 1879, null, "");

let serial = 0;
const raise = (severity, place, text, en, more = {}) => { const id = "a" + ++serial, at = now() - (more.min ?? 1) * 6e4; alarms[id] = { id, rule: "r", severity, state: "raised", text: tx(text, en), place: tx(place), unit: unit(place).code, station: "", camera: "", metric: "", v: null, raised_at: at, changed_at: at, acknowledged_by: "", assigned_to: "", comments: [], count: 1, exercise: !!env.EXERCISE, ...more }; return alarms[id]; };
if (!env.CALM) {
  raise("critical", "Bản Hồ", "suối +0,8 m/giờ, vượt BĐ I, BĐ II sau 25 phút", "stream +0.8 m/h, above level I, level II in 25 min", { min: 6, station: "LC-WL-003", metric: "water_level", v: 412.9 });
  raise("warning", "Bản Hồ", "camera Suối Mường Hoa đứng hình", "camera Suối Mường Hoa frozen", { min: 12, camera: "cam-09", state: "acknowledged", acknowledged_by: "Trực ban 1" });
  raise("warning", "Tả Van", "mưa to 86,2 mm/24 giờ", "heavy rain 86.2 mm/24 h", { min: 31, state: "assigned", assigned_to: "Tổ xung kích Tả Van", comments: [{ at: now() - 18e5, by: "Trực ban 1", text: "Đã gọi, đang di dời 12 hộ" }] });
  raise("notice", "Cam Đường", "4 trạm mất tín hiệu, cùng một khu", "4 stations silent, one area", { min: 3, count: 4 });
  raise("notice", "Sa Pa", "mức độ hài lòng dưới chỉ tiêu", "satisfaction below target", { min: 95, state: "acknowledged", acknowledged_by: "Trực ban 2" });
}

const scopeUnits = (s) => (s === "15" ? units : units.filter((u) => ["Sa Pa", "Tả Van", "Mường Bo", "Bản Hồ", "Tả Phìn", "Ngũ Chỉ Sơn"].includes(u.name)));
function state(topic) {
  const [kind, s] = topic.split("/"), mine = scopeUnits(s), codes = new Set(mine.map((u) => u.code));
  const own = (all) => Object.fromEntries(Object.entries(all).filter(([id, x]) => codes.has(x.unit) || (kind === "stations" && id === "LC-WL-001")));
  switch (kind) {
    case "stations": return own(stations);
    case "cameras": return own(cameras);
    case "alarms": return own(alarms);
    case "kpis": return s === "15" ? Object.fromEntries(Object.entries(kpis).map(([k, v]) => [k, { ...v, rank: null }])) : Object.fromEntries(Object.entries(kpis).map(([k, v]) => [k, { ...v, province: { v: v.v === null ? null : +(v.v * 0.99).toFixed(v.decimals), n: 97, m: 99 } }]));
  }
  const open = Object.values(own(alarms)).filter((a) => a.state !== "cleared"), worst = open.sort((a, b) => "nwc".indexOf(b.severity[0]) - "nwc".indexOf(a.severity[0]))[0];
  const out = {
    scope: { id: s, name: s === "15" ? tx("Lào Cai") : tx("Sa Pa (cụm)", "Sa Pa (cluster)"), root: "15", stations: { fresh: 196, total: 200 }, cameras: { live: 22, total: 24 }, alarms: { critical: 1, warning: 2, notice: 2 }, exercise: !!env.EXERCISE, journal_lag_ms: 3, store_lag_ms: 900, store_up: true, held: env.HELD ?? "" },
    headline: worst
      ? { severity: worst.severity, text: tx("BẢN HỒ: suối +0,8 m/giờ, BĐ II sau 25 phút", "BẢN HỒ: stream +0.8 m/h, level II in 25 min"), alarm: worst.id, since: worst.raised_at, holder: worst.assigned_to || worst.acknowledged_by }
      : { severity: "calm", text: tx("Bình thường. Không mưa đáng kể, các sông dưới báo động I.", "Normal. No significant rain, rivers below level I."), alarm: "", since: 0, holder: "" },
  };
  for (const u of mine) out["unit:" + u.code] = { name: tx(u.name), lat: u.lat, lon: u.lon, severity: env.CALM ? "calm" : (open.filter((a) => a.unit === u.code).sort((a, b) => "nwc".indexOf(b.severity[0]) - "nwc".indexOf(a.severity[0]))[0]?.severity ?? "calm"), rain_24h: env.CALM ? 0.5 : +(wet(u) * 100).toFixed(1), rank: 1 };
  return out;
}

const me = () => ({ user: "demo", name: "Trực ban 1", role: "duty", scope: "15", scopes: ["15", "d085"] });
const routes = {
  "GET me": me, "GET units": () => ({ root: "15", units: units.map((u) => ({ code: u.code, name: tx(u.name), kind: "commune", parent: "15", lat: u.lat, lon: u.lon })), scopes: [{ id: "15", name: tx("Lào Cai"), units: ["15"] }, { id: "d085", name: tx("Sa Pa (cụm)", "Sa Pa (cluster)"), units: [] }] }),
  "GET map": () => ({ official: !!layer, outline: null, units: layer }),
  "GET metrics": () => ({ metrics: [{ id: "rain", name: tx("Mưa", "Rain"), symbol: "mm", decimals: 1, kind: "total", domain: "weather" }, { id: "water_level", name: tx("Mực nước", "Water level"), symbol: "m", decimals: 2, kind: "gauge" }, ...Object.entries(kpis).map(([id, k]) => ({ id, name: k.name, symbol: k.symbol, decimals: k.decimals, kind: "ratio" }))] }),
  "GET stations": () => ({ stations: Object.entries(stations).map(([id, s]) => ({ id, name: s.name, unit: s.unit, metrics: Object.keys(s.values) })) }),
  "GET devices": () => ({ devices: [{ id: "LC-RAIN-NEW-7", first_seen: now() - 36e5, last_seen: now() - 4000, count: 412, metrics: { rain: 0.4 } }, { id: "tb-thu-nghiem", first_seen: now() - 72e5, last_seen: now() - 9e5, count: 7, metrics: { air_temperature: 21.4, humidity: 88 } }] }),
  "GET refusals": () => ({ counts: { mqtt: { out_of_range: 3, bad_json: 12, clock: 1 }, kpi: { html_answer: 2 } }, last: [{ at: now() - 6e4, source: "mqtt", reason: "out_of_range", field: "value", value: "900", detail: "rain is 0 to 200 mm", topic: "lc/LC-RAIN-012", payload: '{"value":900}' }, { at: now() - 36e4, source: "kpi", reason: "html_answer", field: "body", value: "<html>", detail: "expected JSON", topic: "", payload: "<html><body>502 Bad Gateway" }] }),
};
function history(q) {
  const keys = [...q.getAll("station"), ...q.getAll("unit")], step = { "15m": 9e5, "1h": 36e5, "1d": 864e5 }[q.get("step")], from = Math.ceil(Date.parse(q.get("from")) / step) * step, series = keys.map((key) => ({ key, points: [] }));
  for (const { key, points } of series) for (let at = from, i = 0; at < Date.parse(q.get("to")); at += step, i++) points.push([at, i % 31 > 27 ? null : +Math.abs(Math.sin(at / 1.7e7 + key.length) * 8 + Math.sin(at / 4e6) * 2).toFixed(2), i % 31 > 27 ? 0 : 90]);
  return { metric: q.get("metric"), unit: "mm", step: q.get("step"), series };
}

const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const server = createServer((req, res) => {
  const url = new URL(req.url, "http://x"), send = (code, body) => res.writeHead(code, { "Content-Type": code < 400 ? "application/json" : "application/problem+json" }).end(JSON.stringify(body));
  if (url.pathname.startsWith("/api/v1/")) {
    const path = url.pathname.slice(8);
    let body = "";
    req.on("data", (d) => (body += d)).on("end", () => {
      if (path === "session") { if (req.method === "DELETE") { signedIn = false; return res.writeHead(204).end(); } signedIn = JSON.parse(body).password === "demo"; return signedIn ? send(200, me()) : send(401, { title: "Unauthorized", status: 401 }); }
      if (!signedIn) return send(401, { title: "Unauthorized", status: 401, detail: "" });
      if (path === "history") return send(200, history(url.searchParams));
      const act = path.match(/^alarms\/(.+)\/(ack|assign|comment|clear)$/), b = body ? JSON.parse(body) : {};
      if (act) {
        const a = alarms[act[1]];
        a.changed_at = now();
        if (act[2] === "ack") { a.state = "acknowledged"; a.acknowledged_by = "Trực ban 1"; }
        if (act[2] === "assign") { a.state = "assigned"; a.assigned_to = b.to; }
        if (act[2] === "comment") a.comments.push({ at: now(), by: "Trực ban 1", text: b.text });
        if (act[2] === "clear") a.state = "cleared";
        return setTimeout(() => send(200, a), 300);
      }
      if (/^devices\/.+\/adopt$/.test(path)) return send(200, {});
      const route = routes[`${req.method} ${path}`];
      return route ? send(200, route()) : send(404, { title: "Not Found", status: 404, detail: path });
    });
    return;
  }
  const file = join(dist, url.pathname.startsWith("/assets/") ? url.pathname : "index.html");
  if (!existsSync(file)) return res.writeHead(404).end();
  res.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream", "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; img-src 'self' data:" }).end(readFileSync(file));
});

const wss = new WebSocketServer({ noServer: true, handleProtocols: (p) => [...p][0] });
server.on("upgrade", (req, socket, head) => wss.handleUpgrade(req, socket, head, (ws) => (req.url.includes("/video") ? video(ws, req.url) : req.url.endsWith("/tiles") ? tiles(ws) : live(ws))));

let seq = 1;
const started = now();
const quiet = () => env.QUIET && now() - started > +env.QUIET;
function live(ws) {
  const topics = new Map(), say = (m) => ws.readyState === 1 && !quiet() && ws.send(JSON.stringify(m));
  say({ type: "hello", server_time: new Date().toISOString(), heartbeat_ms: 2000, epoch });
  ws.on("message", (raw) => {
    const m = JSON.parse(raw);
    for (const t of m.topics) {
      if (m.type === "unsubscribe") { topics.delete(t); continue; }
      const s = state(t), keys = Object.keys(s), half = Math.ceil(keys.length / 2), part = (a) => Object.fromEntries(a.map((k) => [k, s[k]]));
      topics.set(t, { seq, last: Object.fromEntries(keys.map((k) => [k, JSON.stringify(s[k])])) });
      say({ type: "snapshot", topic: t, epoch, seq, part: 1, parts: 2, state: part(keys.slice(0, half)) });
      say({ type: "snapshot", topic: t, epoch, seq, part: 2, parts: 2, state: part(keys.slice(half)) });
    }
  });
  const tick = setInterval(() => {
    const out = [];
    for (const [topic, h] of topics) {
      const s = state(topic), set = {}, unset = Object.keys(h.last).filter((k) => !(k in s));
      for (const k in s) { const j = JSON.stringify(s[k]); if (h.last[k] !== j) { set[k] = s[k]; h.last[k] = j; } }
      unset.forEach((k) => delete h.last[k]);
      if (Object.keys(set).length || unset.length) { out.push({ type: "delta", topic, prev: h.seq, seq, set, unset }); h.seq = seq; }
    }
    if (out.length) say(out);
  }, 1000);
  const beat = setInterval(() => say({ type: "heartbeat", server_time: new Date().toISOString(), seq: Object.fromEntries([...topics].map(([t, h]) => [t, h.seq])) }), 2000);
  ws.on("close", () => { clearInterval(tick); clearInterval(beat); });
}
setInterval(() => {
  seq++;
  for (const s of Object.values(stations)) if (s.state === "fresh" && rnd() < 0.15) for (const v of Object.values(s.values)) { v.v = +(v.v + (rnd() - 0.5) * 0.05).toFixed(2); v.t = now(); v.until = now() + 60_000; if (v.v < 0) v.v = 0; }
  for (const c of Object.values(cameras)) if (c.state === "live") { c.key_at = now() - rnd() * 900; c.seen_at = now(); }
}, 1000);

// Pictures: a clip of single-frame fragments whose times are moved on at each round.
const clips = new Map();
function clip(n) {
  if (!clips.has(n)) {
    const mp4 = execFileSync("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", `gradients=s=640x360:r=1:c0=0x${["2b3a44", "3a3428", "26382f", "3b2f38"][n]}:c1=0x${["8fa3ad", "b5a888", "8fb09c", "a893a5"][n]}:x0=0:y0=${90 * n}:x1=640:y1=300:speed=0.05:d=20`, "-f", "lavfi", "-i", "life=s=640x360:r=1:mold=12:ratio=.08:death_color=0x222a30:life_color=0x90a0aa:stitch=1", "-filter_complex", "[0][1]blend=all_mode=softlight:all_opacity=.35,drawtext=text='%{pts\\:hms}':x=12:y=12:fontsize=24:fontcolor=white@0.7", "-t", "20", "-c:v", "libx264", "-g", "1", "-pix_fmt", "yuv420p", "-profile:v", "high", "-level", "3.0", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4", "-"], { maxBuffer: 1e8 });
    const boxes = [];
    for (let at = 0; at < mp4.length; ) { const size = mp4.readUInt32BE(at); boxes.push([mp4.toString("latin1", at + 4, at + 8), mp4.subarray(at, at + size)]); at += size; }
    const frags = [];
    boxes.forEach(([type, b], i) => type === "moof" && frags.push(Buffer.concat([b, boxes[i + 1][1]])));
    const avcc = mp4.indexOf("avcC");
    clips.set(n, { codec: "avc1." + mp4.subarray(avcc + 5, avcc + 8).toString("hex"), init: Buffer.concat(boxes.filter(([t]) => t === "ftyp" || t === "moov").map(([, b]) => b)), frags });
  }
  return clips.get(n);
}
/** Sends a camera's keyframes by say (JSON) and put (bytes); the answer ends it, null says that there is no such camera. */
function show(id, units, say, put) {
  const c = cameras[id];
  if (!c) return null;
  const k = clip(parseInt(id.slice(4), 10) % 4), avcc = k.init.indexOf("avcC");
  const description = units ? k.init.subarray(avcc + 4, avcc - 4 + k.init.readUInt32BE(avcc - 4)).toString("base64") : undefined;
  say({ type: "init", codec: k.codec, width: 640, height: 360, description });
  if (!units) put(k.init);
  let i = 0;
  const one = () => {
    const f = Buffer.from(k.frags[i % k.frags.length]), at = f.indexOf("tfdt") + 4;
    const unitTime = Number(k.frags[1].readBigUInt64BE(k.frags[1].indexOf("tfdt") + 8));
    f.writeBigUInt64BE(BigInt(unitTime * i++), at + 4);
    if (!units) return put(f);
    const content = f.subarray(f.indexOf("mdat") + 4), head = Buffer.alloc(20);
    head.writeUInt32BE(content.length, 0);
    head[4] = 1;
    head.writeBigInt64BE(BigInt(i) * 1_000_000n, 8);
    head.writeUInt32BE(1_000_000, 16);
    put(Buffer.concat([head, content]));
  };
  one();
  const timer = c.state === "live" ? setInterval(one, 1000) : undefined;
  return () => clearInterval(timer);
}
function video(ws, url) {
  const end = show(decodeURIComponent(url.match(/cameras\/([^/]+)\//)[1]), ws.protocol === "ioc.video.units.v1", (m) => ws.send(JSON.stringify(m)), (b) => ws.send(b));
  if (!end) return ws.close(4404);
  const alive = setInterval(() => ws.send('{"type":"alive"}'), 1e4);
  ws.on("close", () => { clearInterval(alive); end(); });
}
function tiles(ws) {
  const ends = new Map(), alive = setInterval(() => ws.send('{"id":0,"type":"alive"}'), 1e4);
  ws.on("message", (raw) => {
    const { type, id, camera } = JSON.parse(raw), head = Buffer.alloc(4);
    head.writeUInt32BE(id);
    const say = (m) => ws.send(JSON.stringify({ id, ...m }));
    if (type === "unwatch") ends.get(id)?.();
    else ends.set(id, show(camera, ws.protocol === "ioc.tiles.units.v1", say, (b) => ws.send(Buffer.concat([head, b]))) ?? say({ type: "end", code: 4404, why: "" }));
  });
  ws.on("close", () => { clearInterval(alive); ends.forEach((end) => end?.()); });
}
server.listen(+(env.PORT ?? 8090), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/wall`));
