// Media elements: their events, the first decoded frame, and how they play: looked at every 100 ms, told once a second and
// at once when frames stop coming or come again.
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

  // Firefox calls back for some four of five frames, and counts them all; Chromium counts what it decodes, also ahead.
  const gecko = "mozHasAudio" in Media.prototype;

  const TICK_MS = 100;
  const TELL_MS = 950;
  // No new frame for so long is told; what it means is not decided here.
  const GAP_MS = 200;
  // A video that nothing shows any more: no part of the document, and no texture was made of it for so long. Where a renderer
  // makes one of each new frame only, frames must have gone on coming for so long: none comes while it stands still.
  const UNUSED_MS = 1000;

  const known = new WeakMap();
  // Apart from those of other frames of the page.
  let count = window === window.top ? 0 : Math.floor(Math.random() * 1e6) * 1e4;

  const source = (el) => {
    const url = el.currentSrc || el.src;
    if (el.srcObject) return "srcobject:" + (el.srcObject.constructor ? el.srcObject.constructor.name : "");
    return text(url || "", 4000); // a data: URL may be megabytes
  };
  // Frames should come: it plays, and has begun to. A seek of the page's own is no playing, the one back to the start of
  // a loop is. `base` is when the last frame came, or since when they should.
  const duty = (el, v, t) => {
    const unused = v.texAt > 0 && (v.eager ? t : v.frameAt) - v.texAt > UNUSED_MS && !el.isConnected;
    const due = v.framed && !el.paused && !el.ended && !(el.seeking && v.sought) && el.playbackRate !== 0 && !unused;
    if (due === v.due) return;
    v.due = due;
    v.gap = false;
    v.base = t;
    v.late = 0;
  };
  const audible = (el) =>
    !el.muted && el.volume > 0 && !!(gecko ? el.mozHasAudio : el.webkitAudioDecodedByteCount > 0);
  const quality = (el, v) => (rawQuality && !v.audio ? apply(rawQuality, el, []) : null);
  const report = (el, v, ev, t) => {
    duty(el, v, t);
    v.told = t;
    const m = {
      k: "video", ev, t: r1(t), id: v.id, src: source(el), rs: el.readyState, ns: el.networkState, ct: el.currentTime,
      w: el.videoWidth || 0, h: el.videoHeight || 0, paused: el.paused, attached: el.isConnected,
    };
    if (v.audio) {
      m.audio = true;
      return m;
    }
    m.ended = el.ended;
    m.seeking = el.seeking;
    m.looping = el.loop;
    m.auto = el.autoplay;
    m.rate = el.playbackRate;
    m.dur = el.duration;
    if (v.sought) m.to = v.to;
    if (!v.framed && el.paused) return m;
    m.audible = audible(el);
    m.buf = null;
    for (let i = 0, b = el.buffered; i < b.length; i++) {
      if (b.start(i) <= m.ct + 0.1 && m.ct <= b.end(i)) m.buf = b.end(i);
    }
    const q = quality(el, v);
    m.frames = gecko && q ? q.totalVideoFrames : v.frames;
    m.dropped = gecko && q ? q.droppedVideoFrames : v.dropped;
    m.repeated = v.repeated;
    // What the decoder took of the media, shown or not.
    if (q) m.decoded = q.totalVideoFrames;
    if (v.due) {
      m.gap = r1(t - v.base);
      m.late = r1(v.late);
      m.mt = v.mt;
    }
    return m;
  };

  // The first frame of a source; and the first one after the wish to play, where one was shown already (preload, pause).
  const firstFrame = (el, v, by, t, more) => {
    if (v.framed && !v.wished) return;
    v.framed = true;
    v.wished = false;
    const m = report(el, v, "frame", t);
    m.by = by;
    if (more) {
      m.mt = more.mediaTime;
      m.pt = r1(more.presentationTime);
    }
    send(m);
    sc.flush();
  };
  const resumed = (el, v, t) => {
    if (v.gap && v.due) {
      const m = report(el, v, "resume", t);
      v.gap = false;
      send(m);
    }
    v.base = v.frameAt = t;
    v.late = 0;
  };
  // A texture was made of it; eager is who makes one of a frame again.
  sc.textured = (v, t) => {
    if (v.texAt > 0 && v.frames > 0 && v.texFrames === v.frames) v.eager = true;
    v.texFrames = v.frames;
    v.texAt = t;
  };
  // A frame came: what was left out since the one before, or stood for longer than it should. The shortest step of the
  // media's time seen is taken for its frame period.
  const shown = (el, v, t, more) => {
    const n = more.presentedFrames;
    const frames = n > v.presented ? n - v.presented : 1;
    const step = (more.mediaTime - v.mt) * 1000;
    const wall = t - v.at;
    if (v.due && step > 0 && step < 1000 && wall < GAP_MS) {
      const each = step / frames;
      if (each >= 8 && (v.period === 0 || each < v.period)) v.period = each;
      if (v.period > 0) {
        const out = Math.round(step / v.period) - frames;
        if (out > 0) v.dropped += out;
        const again = Math.floor((wall * el.playbackRate) / v.period - frames - Math.max(out, 0) + 0.25);
        if (again > 0) v.repeated += again;
      }
    }
    resumed(el, v, t);
    v.presented = n;
    v.frames += frames;
    v.mt = more.mediaTime;
    v.at = t;
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
        if ((!v.framed || v.wished) && el.readyState > 0) guard("video.frame", () => firstFrame(el, v, "rvfc", t, more));
        try {
          shown(el, v, t, more);
        } catch (e) {
          sc.fail("video.shown", e);
        }
      };
    }
    apply(rawRvfc, el, [v.onFrame]);
  };
  const renew = (v) => {
    v.framed = false;
    v.dataAt = 0;
    v.tex = v.texError = v.sought = v.due = v.gap = v.wished = v.eager = false;
    v.frames = v.dropped = v.repeated = v.period = v.texAt = v.texFrames = v.frameAt = 0;
  };

  // Elements that play. Held weakly: the probe must not keep alive what the page has dropped.
  let playing = [];
  let ticking = false;
  let dueAt = 0;
  const look = (el, v, t, over) => {
    // This timer itself came late: a page whose thread was busy tells nothing of the video.
    if (over > 60) v.late += over;
    duty(el, v, t);
    const q = quality(el, v);
    const total = q ? q.totalVideoFrames - (gecko ? q.droppedVideoFrames : 0) : 0;
    const ct = el.currentTime;
    // Frames came without a callback: Firefox skips some, all of them for a while when it has next to nothing buffered, and
    // a page that draws slowly is called back seldom. They took as long as the clock ran since the last one; where it had
    // run on before it stood, as long as it ran since the last look.
    const came = total - v.total;
    if (v.due && came > 0 && v.calls === v.rvfc && (gecko || ct - v.ct > 0.02)) {
      const took = Math.min(Math.max(0, (ct - Math.max(v.mt, v.ct)) * 1000) / Math.abs(el.playbackRate), came * 34);
      // None of them had come at the look before.
      resumed(el, v, Math.max(v.base, v.looked, t - took));
      v.base = v.frameAt = t;
      v.mt = ct;
      if (v.wished) firstFrame(el, v, "quality", t);
    }
    v.total = total;
    v.calls = v.rvfc;
    v.ct = ct;
    v.looked = t;
    if (v.due && !v.gap && t - v.base > GAP_MS) {
      v.gap = true;
      send(report(el, v, "gap", t));
    } else if (t - v.told >= TELL_MS || el.readyState !== v.rs) send(report(el, v, "sample", t));
    v.rs = el.readyState;
    // rVFC is known not to fire at times; then the frame counter is the witness, and says so.
    if (!v.framed && v.dataAt && t - v.dataAt > 500 && q && q.totalVideoFrames > 0) firstFrame(el, v, "quality", t);
  };
  const tick = () => {
    ticking = false;
    const t = now();
    const over = t - dueAt;
    const still = [];
    for (const ref of playing) {
      const el = ref.deref();
      const v = el && known.get(el);
      if (!v) continue;
      if (el.paused || !(el.currentSrc || el.src || el.srcObject)) {
        v.sampled = false;
        continue;
      }
      guard("video.look", () => look(el, v, t, over));
      still[still.length] = ref;
    }
    playing = still;
    schedule();
  };
  const schedule = () => {
    if (ticking || !playing.length) return;
    ticking = true;
    dueAt = now() + TICK_MS;
    sc.later(tick, TICK_MS);
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
      else if (ev === "play") v.wished = v.framed;
      const m = report(el, v, ev, t);
      if (el.error) m.error = { code: el.error.code, message: text(el.error.message || "", 300) };
      send(m);
      if (ev === "seeked" && !el.seeking) v.sought = false;
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
      sampled: false, wished: false, seen: null, tex: false, texError: false, texAt: 0, texFrames: 0, eager: false, frameAt: 0,
      ref: new WeakRef(el),
      // How it plays.
      due: false, gap: false, base: 0, late: 0, told: 0, sought: false, to: 0, looked: 0, calls: 0, total: 0, ct: 0, rs: 0,
      frames: 0, presented: 0, mt: 0, at: 0, period: 0, dropped: 0, repeated: 0,
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
  // Where the page wants to be: a browser that cannot get there may say nothing.
  const seek = (el, to) =>
    guard("video.seek", () => {
      const v = known.get(el);
      if (!v || el.readyState === 0) return;
      v.sought = true;
      v.to = +to;
      v.due = v.gap = false;
    });
  hook(Media.prototype, "currentTime", (real) => ({
    set(value) {
      const r = apply(real, this, arguments);
      seek(this, value);
      return r;
    },
  }).set, "set");
  hook(Media.prototype, "fastSeek", (real) => ({
    fastSeek(time) {
      const r = apply(real, this, arguments);
      seek(this, time);
      return r;
    },
  }).fastSeek);
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
  const met = (event) => {
    const el = event.target;
    if (!(el instanceof Media) || known.has(el)) return;
    guard("video.parsed", () => watch(el, "create"));
    onEvent(event);
  };
  const meet = (root) => {
    for (const type of ["loadstart", "loadedmetadata", "loadeddata", "play", "error"]) listen(root, type, met, true);
  };
  meet(window);
  // A media event does not leave the shadow tree that it is of.
  hook(Element.prototype, "attachShadow", (real) => ({
    attachShadow() {
      const root = apply(real, this, arguments);
      guard("video.shadow", () => meet(root));
      return root;
    },
  }).attachShadow);
}
