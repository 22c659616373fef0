// The app's own words by performance.mark and performance.measure: only the names that its file declares.
(sc) => {
  const wanted = sc.config.marks;
  const { guard, send, flush, listen, r1, text } = sc;
  const MOST = 2000;
  const FIELDS = 30;
  const Observer = window.PerformanceObserver;
  if (!wanted.length || !Observer) return;

  // What the star of a pattern stands for is the event's name; without a star it is the whole.
  const called = (name) => {
    for (const pattern of wanted) {
      const star = pattern.indexOf("*");
      if (star < 0) {
        if (name === pattern) return name;
        continue;
      }
      const head = pattern.slice(0, star);
      const tail = pattern.slice(star + 1);
      if (name.length > head.length + tail.length && name.startsWith(head) && name.endsWith(tail)) {
        return name.slice(head.length, name.length - tail.length);
      }
    }
    return null;
  };

  const plain = (detail) => {
    const out = {};
    if (detail === null || typeof detail !== "object") return out;
    let n = 0;
    for (const key of Object.keys(detail)) {
      const v = detail[key];
      if (typeof v === "string") out[key] = text(v, 500);
      else if (typeof v === "number" || typeof v === "boolean") out[key] = v;
      else continue;
      if (++n >= FIELDS) break;
    }
    return out;
  };

  let told = 0;
  const take = (entries) => {
    for (const entry of entries) {
      const name = called(entry.name);
      if (name === null || told >= MOST) continue;
      told++;
      const measure = entry.entryType === "measure";
      send({
        k: "mark", t: r1(entry.startTime + entry.duration), name: text(name, 200),
        ms: measure ? r1(entry.duration) : null, detail: plain(entry.detail),
      });
    }
  };
  const observer = new Observer((list) => guard("marks", () => take(list.getEntries())));
  observer.observe({ entryTypes: ["mark", "measure"] });
  listen(window, "pagehide", () => guard("marks.leave", () => {
    take(observer.takeRecords());
    flush();
  }), true);
}
