// The words of the screens, Vietnamese first. A word is here once; sentences that
// depend on what happened are composed by the server in both languages.
import { signal } from "@preact/signals";
import type { Text } from "./contract";
import type { Lang } from "./format";

const words = {
  product: ["Vọng Lâu", "Vọng Lâu"],
  tagline: ["Trung tâm Giám sát, Điều hành thông minh", "Smart Operations Centre"],
  // link
  live: ["Trực tiếp", "Live"],
  connecting: ["Đang kết nối", "Connecting"],
  lost: ["Mất kết nối", "Connection lost"],
  lostSince: ["số liệu dừng từ", "data stopped at"],
  signin: ["Phiên đã hết hạn, cần đăng nhập lại", "Session ended, sign in again"],
  refused: ["Không còn phạm vi được xem", "No scope left to show"],
  outside: ["Ngoài phạm vi được xem", "Outside your scope"],
  outsideWhy: ["Tài khoản này không được xem phạm vi có mã", "This account may not see the scope with the code"], ownDesk: ["Về bàn trực của mình", "To your own desk"],
  waiting: ["Đang chờ số liệu", "Waiting for data"],
  // pages
  wall: ["Màn hình lớn", "Wall"],
  duty: ["Bàn trực", "Duty desk"],
  explore: ["Khai thác số liệu", "Explore"],
  devices: ["Thiết bị mới", "New devices"],
  replay: ["Xem lại", "Replay"],
  replayBand: ["XEM LẠI", "REPLAY"],
  replayNot: ["Không phải trực tiếp", "Not live"],
  replayThen: ["Xem lại lúc đó", "Replay that moment"],
  replayBack: ["Về trực tiếp", "Back to live"],
  replayPlay: ["Phát", "Play"],
  replayPause: ["Tạm dừng", "Pause"],
  replaySpeed: ["Tốc độ", "Speed"],
  replayMinus: ["Lùi 1 phút", "Back 1 min"],
  replayPlus: ["Tới 1 phút", "Forward 1 min"],
  replayGo: ["Đến", "Go"],
  replayWhen: ["Ngày giờ (Việt Nam)", "Date and time (Vietnam)"],
  replayForm: ["Viết như 21/11/2026 13:47", "Write it like 21/11/2026 13:47"],
  dateForm: ["Viết như 21/11/2026", "Write it like 21/11/2026"], dateLike: ["ngày/tháng/năm", "dd/mm/yyyy"], dateTimeLike: ["ngày/tháng/năm giờ:phút", "dd/mm/yyyy hh:mm"], calendar: ["Chọn trên lịch", "Choose in a calendar"],
  replayWindow: ["Khoảng xem", "Span"],
  replayTimeline: ["Dòng thời gian", "Timeline"],
  replayAll: ["Tất cả", "All"],
  replayEnd: ["Đến cuối bản ghi", "At the end of the recording"],
  replayGap: ["Không có bản ghi", "Nothing was recorded"],
  replayGapWhy: ["Không biết màn hình lúc này hiện gì.", "Nobody knows what the screens showed then."],
  replaySkipped: ["Đã bỏ qua khoảng không có bản ghi", "Skipped a time without a recording"],
  replayNotKept: ["Không còn bản ghi của lúc này; chuyển đến lúc gần nhất", "This moment is not kept; gone to the nearest"],
  replayOutside: ["Bản ghi lúc này có nội dung ngoài phạm vi được xem", "What was recorded then is not all within your scope"],
  replayDamaged: ["Bản ghi của lúc này bị hỏng", "The recording of this moment is damaged"],
  replayNothing: ["Chưa có bản ghi nào của phạm vi này", "Nothing of this scope is recorded yet"],
  replayOff: ["Việc ghi để xem lại đã tắt trong cấu hình", "Recording for replay is switched off"],
  replayDisk: ["Ngừng ghi vì ổ đĩa sắp đầy", "Recording stopped: the disk is nearly full"],
  replayWrite: ["Ngừng ghi vì lỗi ghi đĩa", "Recording stopped: the disk cannot be written"],
  replayRanking: ["Xếp hạng không có trong bản ghi", "The ranking is not in the recording"],
  replayRankingWhy: ["Lúc đó chương trình chưa ghi thứ hạng, nên không biết màn hình hiện gì.", "Places were not recorded at that time, so nobody knows which ones the screen showed."],
  replayKept: ["Có bản ghi", "Recorded"],
  replayKeys: ["Phím cách: phát hoặc dừng · ← →: 1 phút", "Space: play or pause · ← →: 1 min"],
  camNoKept: ["Không lưu hình của lúc này", "No picture of this moment is kept"],
  camUnsure: ["Không biết có lưu hình của lúc này không", "Not known whether a picture is kept"],
  camKept: ["Hình lưu lúc", "Picture kept at"],
  camThen: ["Lúc đó có hình", "Live then"],
  system: ["Thiết bị và màn hình", "Devices and walls"],
  main: ["Nội dung", "Content"],
  pages: ["Các trang", "Pages"],
  skip: ["Đến nội dung", "Skip to content"],
  otherLang: ["English", "Tiếng Việt"],
  signOut: ["Đăng xuất", "Sign out"],
  signIn: ["Đăng nhập", "Sign in"],
  user: ["Tên đăng nhập", "User name"],
  password: ["Mật khẩu", "Password"],
  unreachable: ["Không liên lạc được với máy chủ", "The server cannot be reached"],
  notFetched: ["Chưa tải được một phần của trang, đang thử lại", "A part of this page could not be loaded, trying again"],
  notFound: ["Không có trang này", "No such page"],
  close: ["Đóng", "Close"],
  cancel: ["Huỷ", "Cancel"],
  retry: ["Thử lại", "Try again"],
  // severity
  critical: ["Nguy cấp", "Critical"],
  warning: ["Cảnh báo", "Warning"],
  notice: ["Chú ý", "Notice"],
  calm: ["Bình thường", "Normal"],
  exercise: ["DIỄN TẬP", "EXERCISE"],
  // data
  stale: ["Số liệu cũ", "Stale"],
  silent: ["Mất tín hiệu", "No signal"],
  insufficient: ["Chưa đủ số liệu", "Not enough data"],
  ago: ["trước", "ago"],
  target: ["Chỉ tiêu", "Target"],
  coverage: ["Độ phủ", "Coverage"],
  vsYesterday: ["so với hôm qua", "against yesterday"],
  rank: ["Hạng", "Rank"],
  provinceFigure: ["TB tỉnh", "Province"], provinceTotal: ["Toàn tỉnh", "Province"],
  stations: ["Trạm", "Stations"],
  cameras: ["Camera", "Cameras"],
  map: ["Bản đồ", "Map"],
  kpis: ["Chỉ số", "Indicators"],
  sketch: ["Sơ đồ minh hoạ, không thể hiện địa giới", "Sketch, does not show boundaries"],
  rain24: ["Mưa 24 giờ", "Rain 24 h"],
  rain: ["Mưa", "Rain"],
  level: ["Mực nước", "Water level"],
  notable: ["Trạm đáng chú ý", "Notable stations"],
  perHour: ["m/giờ", "m/h"],
  after: ["sau", "in"],
  alarmLevel: ["BĐ", "Level"],
  aboveLevel: ["trên", "above"],
  hours: ["giờ", "h"],
  store: ["Kho dữ liệu", "Store"],
  storeDown: ["Kho dữ liệu ngừng, số liệu trực tiếp vẫn nhận", "Store is down, live data goes on"],
  held: ["Không ghi được số liệu mới", "New data cannot be written"], heldWhy: ["các nguồn đang chờ, chưa phát được cảnh báo mới", "sources wait, no new alarm can be raised"],
  allCamerasLive: ["trực tiếp", "live"],
  // camera states
  cam_live: ["Trực tiếp", "Live"],
  cam_degraded: ["Kém", "Degraded"],
  cam_frozen: ["Đứng hình", "Frozen"],
  cam_dark: ["Tối hình", "Dark"],
  cam_offline: ["Mất tín hiệu", "Offline"],
  cam_maintenance: ["Bảo trì", "Maintenance"],
  cam_unauthorised: ["Sai mật khẩu", "Unauthorised"],
  camLost: ["Mất kết nối hình", "Picture lost"],
  noPicture: ["Chưa có hình", "No picture"],
  oddCodec: ["Trình duyệt không đọc được định dạng này", "This browser cannot show the format"],
  picture: ["Hình", "Picture"], picturesPerSecond: ["hình/giây", "fps"],
  openCamera: ["Mở camera", "Open camera"],
  nearest: ["Camera gần nhất", "Nearest cameras"],
  // alarms
  alarms: ["Cảnh báo", "Alarms"],
  noAlarms: ["Không có cảnh báo", "No alarms"],
  raised: ["Chưa tiếp nhận", "Not acknowledged"],
  acknowledged: ["Đã tiếp nhận", "Acknowledged"],
  assigned: ["Đã giao", "Assigned"],
  cleared: ["Đã kết thúc", "Cleared"],
  ack: ["Tiếp nhận", "Acknowledge"],
  assign: ["Giao xử lý", "Assign"],
  comment: ["Ghi chú", "Comment"],
  clear: ["Kết thúc", "Clear"],
  assignTo: ["Giao cho", "Assign to"],
  note: ["Nội dung", "Text"],
  send: ["Gửi", "Send"],
  sending: ["Đang gửi…", "Sending…"],
  notDone: ["Chưa thực hiện được", "Not done"],
  more: ["cảnh báo khác", "more alarms"],
  sound: ["Âm báo", "Sound"],
  soundOn: ["Âm báo: bật", "Sound: on"],
  soundOff: ["Âm báo: tắt", "Sound: off"],
  soundAsk: ["Âm báo: bấm để bật", "Sound: press to hear"],
  holder: ["Người xử lý", "Held by"],
  noHolder: ["Chưa có người nhận", "Nobody has taken it"],
  since: ["từ", "since"],
  showPlace: ["Xem địa điểm", "Show place"],
  clearedToday: ["Đã kết thúc gần đây", "Recently cleared"],
  // evidence
  evidence: ["Hình quanh lúc cảnh báo", "Pictures around the alarm"],
  evGathering: ["Đang lưu hình, đến", "Keeping pictures, until"],
  evInterrupted: ["Việc lưu hình đã dừng sớm.", "Keeping pictures ended early."],
  evUnknown: ["Không có hình nào được lưu cùng cảnh báo này: đã quá hạn giữ, hoặc cảnh báo có trước khi chương trình lưu hình.", "No pictures are kept with this alarm: they are past their time, or it is older than the keeping of pictures."],
  evGap: ["Chương trình ngừng chạy, thiếu hình từ", "The program was away, no pictures from"], evTo: ["đến", "to"],
  evNone: ["Không có hình nào của camera này được lưu", "No picture of this camera was kept"], evNoneYet: ["Chưa có hình", "No picture yet"], evLoading: ["Đang tải hình…", "Loading the picture…"], evBroken: ["Không mở được hình", "The picture cannot be shown"],
  evEarlier: ["Trước", "Earlier"], evLater: ["Sau", "Later"], recorder: ["Mở đầu ghi", "Open the recorder"],
  why_no_cameras: ["Không có camera nào gần đó trong phạm vi được xem.", "There is no camera near it within your scope."],
  why_no_pictures: ["Các camera gần đó không gửi hình trong lúc ấy.", "The cameras near it sent no pictures at the time."],
  why_not_decoded: ["Có camera gửi hình H.265 mà máy chủ không giải mã được: cần cài ffmpeg, hoặc dùng luồng phụ H.264 của camera.", "A camera sends H.265, which the server could not decode: install ffmpeg, or use the camera's H.264 sub-stream."],
  why_busy: ["Quá nhiều cảnh báo cùng lúc, không lưu thêm được hình.", "Too many alarms at once: no more pictures could be kept."],
  why_full: ["Đã đủ dung lượng dành cho một cảnh báo, hình về sau không được lưu.", "The space of one alarm is used up; later pictures are not kept."],
  why_restart: ["Chương trình ngừng chạy cho đến hết thời gian lưu hình.", "The program was away until the time for keeping them was over."],
  why_failed: ["Ổ đĩa không ghi được hình.", "The disk did not take the pictures."],
  // place card
  place: ["Thẻ địa điểm", "Place"],
  unit: ["Đơn vị", "Unit"],
  wholeScope: ["Toàn phạm vi", "Whole scope"],
  sensors: ["Cảm biến", "Sensors"],
  upstream: ["Thượng nguồn", "Upstream"],
  waterAbove: ["Hồ, thượng nguồn", "Reservoirs, upstream"], reservoir: ["Hồ chứa", "Reservoir"], reachesIn: ["về đến đây sau khoảng", "reaches here in about"], reachesThere: ["đến đó sau khoảng", "reaches there in about"], noUpstream: ["Không có trạm thượng nguồn trong phạm vi được xem", "No upstream gauge within the scope"], fills: ["đang tích", "filling"], empties: ["đang xả nhiều hơn đến", "releasing more than comes"],
  noSensors: ["Không có cảm biến ở đây", "No sensors here"],
  noCameras: ["Không có camera", "No cameras"],
  value: ["Giá trị", "Value"],
  age: ["Tuổi", "Age"],
  // explorer
  metric: ["Chỉ số", "Metric"],
  by: ["Theo", "By"],
  byStation: ["Trạm", "Station"],
  byUnit: ["Đơn vị", "Unit"],
  range: ["Khoảng thời gian", "Range"],
  from: ["Từ", "From"],
  to: ["Đến", "To"],
  step: ["Bước", "Step"],
  usual: ["Theo loại chỉ số", "As the metric suggests"],
  agg: ["Cách tính", "Aggregate"],
  chosen: ["Đã chọn", "Chosen"],
  choose: ["Chọn tối đa 8", "Choose up to 8"],
  filter: ["Lọc theo tên", "Filter by name"],
  exportCsv: ["Xuất CSV", "Export CSV"],
  noPoints: ["Không có số liệu trong khoảng này", "No data in this range"],
  pick: ["Chọn chỉ số và ít nhất một trạm hoặc đơn vị", "Choose a metric and at least one station or unit"],
  table: ["Bảng số liệu", "Table"],
  chart: ["Biểu đồ", "Chart"],
  time: ["Thời gian", "Time"],
  readings: ["Số lần đo", "Readings"], readingsOf: ["lần đo", "readings"],
  h6: ["6 giờ", "6 h"], h24: ["24 giờ", "24 h"], d7: ["7 ngày", "7 d"], d30: ["30 ngày", "30 d"], custom: ["Tự chọn", "Custom"],
  s15m: ["15 phút", "15 min"], s1h: ["1 giờ", "1 h"], s1d: ["1 ngày", "1 day"],
  avg: ["Trung bình", "Average"], sum: ["Tổng", "Sum"], min: ["Nhỏ nhất", "Minimum"], max: ["Lớn nhất", "Maximum"], last: ["Cuối kỳ", "Last"],
  truncated: ["Bảng hiện 500 dòng mới nhất; tệp CSV có đủ.", "The table shows the newest 500 rows; the CSV has all."],
  d90: ["90 ngày", "90 d"], y1: ["1 năm", "1 year"], y3: ["3 năm", "3 years"],
  steps15: ["Bước đều", "Even steps"], reportPeriods: ["Kỳ báo cáo", "Report periods"], period: ["Kỳ", "Period"], soFar: ["(chưa hết kỳ)", "(so far)"],
  cumulative: ["Lũy kế", "Cumulative"], sinceStart: ["Từ đầu", "Since the start of"], asOf: ["Đơn vị theo ngày", "Units as of"], asOfToday: ["hôm nay", "today"],
  publishedUnits: ["Số đã công bố giữ theo đơn vị của ngày công bố, không quy đổi sang đơn vị của ngày khác. Xem theo đơn vị ngày khác ở", "Published figures stand on the units of their day and are not restated on another day's. Other units are under"],
  compareTarget: ["Chỉ tiêu", "Target"], change: ["Tăng, giảm", "Change"], pctPoints: ["điểm %", "pp"], difference: ["Chênh lệch", "Difference"],
  figuresShown: ["Số liệu", "Figures"], published: ["Đã công bố", "As published"], knownNow: ["Hiện tại", "As known now"], publishedUntil: ["Công bố đến hết ngày", "Published up to"],
  notPublished: ["chưa công bố", "not published"], revision: ["lần", "revision"], differing: ["kỳ có số liệu hiện tại khác số đã công bố", "periods differ now from what was published"], noneDiffer: ["Số liệu hiện tại khớp số đã công bố", "What is known now is what was published"],
  publish: ["Công bố", "Publish"], publishOf: ["Công bố cho", "Publish for"], publishAll: ["Mọi đơn vị và toàn phạm vi", "All units and the whole scope"], publishChosen: ["Chỉ các đơn vị đã chọn", "Only the chosen units"],
  publishLead: ["Số công bố giữ nguyên về sau. Số đã công bố mà nay khác sẽ thành lần công bố mới, kèm lý do; lần trước vẫn xem được.", "What is published stays. Figures that differ now become a new revision with a reason; the earlier one stays readable."],
  publishSure: ["Công bố chính thức", "Publish officially"], publishYes: ["Xác nhận công bố", "Confirm publishing"], publishedDone: ["Đã công bố số liệu", "Figures published"], revised: ["sửa đổi", "revised"], unchanged: ["giữ nguyên", "unchanged"],
   noPeriodOver: ["Chưa có kỳ nào kết thúc trong khoảng này.", "No period in this range is over."],
  ifCorrected: ["khi sửa số đã công bố", "when correcting"], byCatalogue: ["tự động theo danh mục", "by the catalogue"], otherFormula: ["công thức khác", "another formula"], version: ["phiên bản", "version"], reporting: ["trạm, đơn vị có số liệu", "stations or units reporting"],
  compare: ["So sánh", "Compare"], compareNone: ["Không", "None"], comparePeriod: ["Kỳ trước", "Period before"], compareYear: ["Cùng kỳ năm trước", "Same period last year"],
  exportXlsx: ["Xuất XLSX", "Export XLSX"],
  views: ["Góc nhìn đã lưu", "Saved views"], saveView: ["Lưu góc nhìn", "Save view"], viewName: ["Tên góc nhìn", "Name of the view"], noViews: ["Chưa lưu góc nhìn nào", "No views saved yet"],
  save: ["Lưu", "Save"], remove: ["Xoá", "Delete"], copyLink: ["Chép liên kết", "Copy link"], copied: ["Đã chép", "Copied"], print: ["In", "Print"], printedAt: ["In lúc", "Printed at"],
  // why
  why: ["Vì sao", "Why"], whyTitle: ["Con số này từ đâu ra", "Where this number comes from"],
  formula: ["Công thức", "Formula"], acrossUnits: ["Gộp các đơn vị", "Across units"], lastUpdate: ["Số liệu mới nhất", "Newest value"], validUntil: ["Có giá trị đến", "Valid until"],
  missing: ["Đơn vị chưa có số liệu", "Units without data"], noneMissing: ["Không thiếu đơn vị nào", "No unit is missing"], targetFrom: ["Nguồn chỉ tiêu", "Source of the target"], noTarget: ["Chưa có chỉ tiêu", "No target"],
  inputs: ["Số liệu thành phần", "Inputs"], better: ["Chiều tốt", "Better"], higherBetter: ["Cao hơn là tốt", "Higher is better"], lowerBetter: ["Thấp hơn là tốt", "Lower is better"],
  howAvg: ["Trung bình các đơn vị có số liệu còn hạn", "Mean of the units with valid data"], howSum: ["Tổng các đơn vị có số liệu còn hạn", "Sum of the units with valid data"], howMax: ["Lớn nhất trong các đơn vị", "Largest of the units"], howMin: ["Nhỏ nhất trong các đơn vị", "Smallest of the units"], howRatio: ["Tổng tử số chia tổng mẫu số, không phải trung bình của các tỷ lệ", "Sum of numerators over sum of denominators, not a mean of shares"],
  history: ["Xem lịch sử", "See history"],
  // walls
  pairTitle: ["Ghép nối màn hình này", "Pair this screen"], pairHow: ["Cán bộ trực hoặc vận hành nhập mã này tại", "A duty officer or operator enters this code at"], pairLeft: ["Mã còn hiệu lực", "The code is valid for"],
  walls: ["Màn hình lớn đã ghép", "Paired walls"], wallsLead: ["Mở trang /wall trên màn hình cần ghép, rồi nhập mã hiện trên đó. Màn hình chỉ xem, trong đúng phạm vi được chọn, và thu hồi được bất cứ lúc nào.", "Open /wall on the screen, then enter the code that it shows. The screen only looks, within the chosen scope, and can be revoked at any time."],
  pairCode: ["Mã ghép nối", "Pairing code"], wallName: ["Nơi đặt màn hình", "Where it hangs"], scope: ["Phạm vi", "Scope"], layout: ["Bố cục", "Layout"], pair: ["Ghép nối", "Pair"], paired: ["Đã ghép nối", "Paired"],
  revoke: ["Thu hồi", "Revoke"], revokeSure: ["Thu hồi màn hình này? Nó sẽ hiện lại mã ghép nối.", "Revoke this wall? It will show a pairing code again."], noWalls: ["Chưa có màn hình nào", "No walls yet"], session: ["Mở bằng phiên đăng nhập", "Opened under a session"],
  heap: ["Bộ nhớ", "Memory"], behindSteps: ["Chậm", "Behind"], steps: ["bước", "steps"], inStep: ["Kịp", "In step"], gaps: ["Lần hụt", "Gaps"], uptime: ["Chạy liên tục", "Running for"], neverSeen: ["Chưa thấy", "Not seen"], scene: ["Cảnh", "Scene"], pictures: ["Hình chuyển động", "Moving pictures"], wallSilent: ["Mất tín hiệu", "No signal"], state: ["Trạng thái", "State"],
  // scenes
  camerasOf: ["Tình trạng camera", "State of the cameras"], allLive: ["Tất cả camera đều có hình", "All cameras have a picture"], missTarget: ["Đơn vị chưa đạt chỉ tiêu", "Units short of the target"], allReach: ["Mọi đơn vị đều đạt chỉ tiêu", "Every unit reaches the target"], byUnitOf: ["theo đơn vị", "by unit"],
  areas: ["Khu vực", "Areas"], communes: ["Xã, phường", "Communes"], top: ["Dẫn đầu", "Leading"], bottom: ["Cuối bảng", "Trailing"], places: ["bậc", "places"], same: ["giữ hạng", "unchanged"], against: ["so với hết hôm qua", "against the end of yesterday"], againstMonth: ["so với hết tháng trước", "against the end of last month"], noBefore: ["chưa có số liệu hôm qua để so hạng", "no figures of yesterday to compare places with"], siteWeather: ["Thời tiết tại điểm", "Weather at the sites"], upTo: ["Lên", "Up"], downTo: ["Xuống", "Down"],
  // duty
  handOver: ["Bàn giao ca", "Hand over"], handTo: ["Người nhận ca", "Who takes over"], handNote: ["Lưu ý cho ca sau", "Note for the next shift"], handed: ["Đã bàn giao", "Handed over"], handOpen: ["cảnh báo đang mở", "open alarms"], lastHand: ["Các lần bàn giao gần đây", "Recent handovers"], noHand: ["Chưa có lần bàn giao nào", "No handover yet"], noOpen: ["Không có cảnh báo đang mở", "No open alarms"],
  phones: ["Danh bạ", "Phone list"], checklist: ["Việc cần làm", "Checklist"], noChecklist: ["Chọn một cảnh báo để xem việc cần làm", "Choose an alarm to see what to do"], shift: ["Ca trực", "Shift"],
  // devices
  devicesLead: ["Thiết bị đang gửi số liệu nhưng chưa có trong danh mục. Số liệu gần nhất của mỗi thiết bị được giữ lại và đưa vào ngay khi tiếp nhận.", "Devices that send but are not in the catalogue. The newest values of each are kept, and taken as soon as it is adopted."],
  noDevices: ["Không có thiết bị mới", "No new devices"],
  adopt: ["Tiếp nhận thiết bị", "Adopt device"],
  adopted: ["Đã đưa vào danh mục", "Adopted"],
  firstSeen: ["Thấy lần đầu", "First seen"],
  lastSeen: ["Lần cuối", "Last seen"],
  count: ["Số lần", "Count"],
  name: ["Tên", "Name"],
  lat: ["Vĩ độ", "Latitude"], lon: ["Kinh độ", "Longitude"],
  refusals: ["Số liệu bị từ chối", "Refusals"],
  refusalsLead: ["Mỗi lần từ chối có lý do. Những lần gần nhất được giữ lại để xem.", "Every refusal has a reason. The latest are kept for inspection."],
  noRefusals: ["Không có số liệu bị từ chối", "Nothing was refused"],
  source: ["Nguồn", "Source"], reason: ["Lý do", "Reason"], field: ["Trường", "Field"], detail: ["Chi tiết", "Detail"], topic: ["Chủ đề", "Topic"], payload: ["Nội dung gốc", "Payload"],
} as const satisfies Record<string, readonly [string, string]>;

/** What the door answers with: metrics/refusal.go has the codes, which data owners are told as well. */
const refusals: Record<string, readonly [string, string]> = {
  too_large: ["Quá lớn", "Too large"],
  bad_encoding: ["Sai bảng mã", "Wrong encoding"],
  bad_format: ["Sai định dạng", "Wrong format"],
  unmapped: ["Chủ đề chưa được khai báo", "Topic without a mapping"],
  missing_field: ["Thiếu trường", "A field is missing"],
  bad_value: ["Không đọc được giá trị", "Value cannot be read"],
  not_finite: ["Không phải số hữu hạn", "Not a finite number"],
  out_of_range: ["Ngoài khoảng hợp lý", "Outside the plausible range"],
  unknown_station: ["Trạm chưa có trong danh mục", "Station not in the catalogue"],
  unknown_metric: ["Chỉ số chưa có trong danh mục", "Metric not in the catalogue"],
  not_measured: ["Trạm không đo chỉ số này", "Station does not measure it"],
  clock_ahead: ["Đồng hồ chạy trước", "Clock ahead"],
  too_old: ["Quá cũ để nhận", "Too old to take"],
  undated: ["Không có thời điểm đo", "Without a time of its own"],
  source_failed: ["Nguồn trả lời không đúng", "Source did not answer as agreed"],
  unauthorised: ["Ngoài phạm vi người gửi", "Outside the sender's scope"],
};

export type Word = keyof typeof words;

function initial(): Lang {
  const asked = new URLSearchParams(location.search).get("lang");
  let kept: string | null = null;
  try {
    if (asked === "en" || asked === "vi") localStorage.setItem("lang", asked);
    kept = localStorage.getItem("lang");
  } catch { /* storage is closed to us: the address decides */ }
  return (asked ?? kept) === "en" ? "en" : "vi";
}

/** The language of the screen. */
export const lang = signal<Lang>(initial());
lang.subscribe((l) => { document.documentElement.lang = l; });

export function switchLang(): void {
  lang.value = lang.value === "vi" ? "en" : "vi";
  try { localStorage.setItem("lang", lang.value); } catch { /* only for this visit, then */ }
  const url = new URL(location.href);
  if (url.searchParams.has("lang")) {
    url.searchParams.set("lang", lang.value);
    history.replaceState(null, "", url);
  }
}

/** A word of the screen in its language. */
export const t = (word: Word): string => words[word][lang.value === "vi" ? 0 : 1];

/** A refusal's reason in words; one that is not known here stays a code. */
export const refusal = (code: string): string => refusals[code]?.[lang.value === "vi" ? 0 : 1] ?? code;

/** A name in the language of the screen. */
export const say = (text: Text | null | undefined): string => (text ? (lang.value === "en" && text.en) || text.vi : "");
