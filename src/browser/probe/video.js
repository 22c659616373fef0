// Media elements: their events, the first decoded frame, and four samples a second while they play.
// Hydra's videos are never attached to the document, so elements are caught where they are made and used.
(sc) => {
  const { apply, hook, guard, send, listen, now, r1, text } = sc;
  if (!window.HTMLMediaElement) return;
  const Media = HTMLMediaElement;
  const EVENTS = [
    "loadstart", "loadedmetadata", "loadeddata", "canplay", "play", "playing", "pause", "waiting",
    "stalled", "ended", "error", "seeking", "seeked", "emptied", "abort",
  ];
  const rawRvfc = window.HTMLVideoElement && HTMLVideoElement.prototype.requestVideoFrameCallback;
  const rawQuality = window.HTMLVideoElement && HTMLVideoElement.prototype.getVideoPlaybackQuality;

  const known = new WeakMap();
  let count = 0;

  const source = (el) => {
    const url = el.currentSrc || el.src;
    if (el.srcObject) return "srcobject:" + (el.srcObject.constructor ? el.srcObject.constructor.name : "");
    return text(url || "", 4000); // a data: URL may be megabytes
  };
  const report = (el, v, ev, t) => {
    const m = {
      k: "video", ev, t: r1(t), id: v.id, src: source(el), rs: el.readyState, ns: el.networkState, ct: el.currentTime,
      w: el.videoWidth || 0, h: el.videoHeight || 0, paused: el.paused, attached: el.isConnected,
    };
    if (v.audio) m.audio = true;
    return m;
  };
  const quality = (el) => (rawQuality && !known.get(el).audio ? apply(rawQuality, el, []) : null);

  const firstFrame = (el, v, by, t, more) => {
    if (v.framed) return;
    v.framed = true;
    const m = report(el, v, "frame", t);
    m.by = by;
    if (more) {
      m.mt = more.mediaTime;
      m.pt = r1(more.presentationTime);
    }
    send(m);
    sc.flush();
  };
  // One callback function per element, asked for again from within: nothing is allocated per frame.
  const chain = (el, v) => {
    if (v.chained || v.audio || !rawRvfc) return;
    v.chained = true;
    if (!v.onFrame) {
      const ref = new WeakRef(el);
      v.onFrame = (_, more) => {
        const t = now();
        v.rvfc++;
        const el = ref.deref();
        if (!el) return;
        apply(rawRvfc, el, [v.onFrame]);
        // Before metadata it is the last frame of the source that went before.
        if (!v.framed && el.readyState > 0) guard("video.frame", () => firstFrame(el, v, "rvfc", t, more));
      };
    }
    apply(rawRvfc, el, [v.onFrame]);
  };
  const renew = (v) => {
    v.framed = false;
    v.dataAt = 0;
    v.tex = v.texError = false;
  };

  // Elements that play. Held weakly: the probe must not keep alive what the page has dropped.
  let playing = [];
  let ticking = false;
  const sample = (el, v) => {
    const m = report(el, v, "sample", now());
    const q = quality(el);
    m.total = q ? q.totalVideoFrames : null;
    m.dropped = q ? q.droppedVideoFrames : null;
    m.rvfc = v.rvfc;
    m.ended = el.ended;
    m.buf = null;
    for (let i = 0, b = el.buffered; i < b.length; i++) {
      if (b.start(i) <= el.currentTime + 0.1 && el.currentTime <= b.end(i)) m.buf = b.end(i);
    }
    send(m);
    // rVFC is known not to fire at times; then the frame counter is the witness, and says so.
    if (!v.framed && v.dataAt && now() - v.dataAt > 500 && q && q.totalVideoFrames > 0) firstFrame(el, v, "quality", now());
  };
  const tick = () => {
    ticking = false;
    const still = [];
    for (const ref of playing) {
      const el = ref.deref();
      const v = el && known.get(el);
      if (!v) continue;
      if (el.paused || !(el.currentSrc || el.src || el.srcObject)) {
        v.sampled = false;
        continue;
      }
      guard("video.sample", () => sample(el, v));
      still[still.length] = ref;
    }
    playing = still;
    schedule();
  };
  const schedule = () => {
    if (ticking || !playing.length) return;
    ticking = true;
    sc.later(tick, 250);
  };
  const follow = (el, v) => {
    if (v.sampled || el.paused) return;
    v.sampled = true;
    playing[playing.length] = v.ref;
    schedule();
  };

  const onEvent = (event) =>
    guard("video.event", () => {
      const t = now();
      const el = event.target;
      const v = known.get(el);
      if (!v || v.seen === event) return;
      v.seen = event;
      const ev = event.type;
      if (ev === "loadstart") renew(v);
      const m = report(el, v, ev, t);
      if (el.error) m.error = { code: el.error.code, message: text(el.error.message || "", 300) };
      send(m);
      if (ev === "loadstart") chain(el, v);
      else if (ev === "loadeddata") {
        v.dataAt = t;
        if (!v.audio && el.videoWidth > 0 && !rawRvfc) firstFrame(el, v, "loadeddata", t);
      }
      follow(el, v);
    });

  const watch = (el, ev) => {
    let v = known.get(el);
    if (v) return v;
    v = {
      id: ++count, audio: el.localName === "audio", rvfc: 0, framed: false, chained: false, onFrame: null, dataAt: 0,
      sampled: false, seen: null, tex: false, texError: false, ref: new WeakRef(el),
    };
    known.set(el, v);
    for (const type of EVENTS) listen(el, type, onEvent, true);
    send(report(el, v, ev, now()));
    chain(el, v);
    return v;
  };
  sc.videoOf = (el) => watch(el, "create");

  // By tag name before by type: createElement is called for everything.
  const isMedia = (name) => {
    if (typeof name !== "string") return false;
    const s = name.slice(name.indexOf(":") + 1);
    if (s.length !== 5) return false;
    const low = s.toLowerCase();
    return low === "video" || low === "audio";
  };
  const caught = (el) => guard("video.create", () => el instanceof Media && watch(el, "create"));
  hook(Document.prototype, "createElement", (real) => ({
    createElement(name) {
      const el = apply(real, this, arguments);
      if (isMedia(name)) caught(el);
      return el;
    },
  }).createElement);
  hook(Document.prototype, "createElementNS", (real) => ({
    createElementNS(_, name) {
      const el = apply(real, this, arguments);
      if (isMedia(name)) caught(el);
      return el;
    },
  }).createElementNS);

  hook(Media.prototype, "play", (real) => ({
    play() {
      guard("video.play", () => this instanceof Media && watch(this, "create"));
      const p = apply(real, this, arguments);
      // The page gets the follow-up promise: watching the first one would mark its rejection as handled.
      return p instanceof Promise
        ? apply(sc.rawThen, p, [
            undefined,
            (e) => {
              guard("video.play", () => {
                const v = known.get(this);
                if (!v) return; // not a media element: the rejection says so itself
                const m = report(this, v, "play_rejected", now());
                m.error = { code: 0, message: text(e && e.name, 60) + ": " + text(e && e.message, 300) };
                send(m);
              });
              throw e;
            },
          ])
        : p;
    },
  }).play);
  hook(Media.prototype, "load", (real) => ({
    load() {
      guard("video.load", () => this instanceof Media && watch(this, "create"));
      return apply(real, this, arguments);
    },
  }).load);
  for (const name of ["src", "srcObject"]) {
    hook(Media.prototype, name, (real) => ({
      set(value) {
        guard("video.src", () => {
          if (!(this instanceof Media)) return;
          renew(watch(this, "create"));
        });
        const r = apply(real, this, arguments);
        guard("video.src", () => {
          const v = known.get(this);
          if (!v) return;
          const m = report(this, v, "src", now());
          // currentSrc still names the old one here.
          if (name === "src") m.src = text(this.src, 4000);
          send(m);
        });
        return r;
      },
    }).set, "set");
  }

  // Elements the parser made or a clone: met at their first event on the way down.
  for (const type of ["loadstart", "loadedmetadata", "loadeddata", "play", "error"]) {
    listen(window, type, (event) => {
      const el = event.target;
      if (!(el instanceof Media) || known.has(el)) return;
      guard("video.parsed", () => watch(el, "create"));
      onEvent(event);
    }, true);
  }
}
