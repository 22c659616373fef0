// The probe's base: messages out, the control object in, and how to hook without being felt.
// The originals are taken before any page script runs: a page may replace them later.
(channel) => {
  const { apply, construct } = Reflect;
  const { defineProperty, getOwnPropertyDescriptor, keys } = Object;
  const { round } = Math;
  const { isArray } = Array;
  const finite = Number.isFinite;
  const quote = JSON.stringify;
  const perf = performance;
  const perfNow = perf.now;
  const origin = perf.timeOrigin;
  const now = () => apply(perfNow, perf, []);
  const r1 = (x) => round(x * 10) / 10;
  const win = window;
  const rawTimeout = win.setTimeout;
  const later = (f, ms) => apply(rawTimeout, win, [f, ms]);
  const rawMicrotask = win.queueMicrotask;
  const soon = (f) => apply(rawMicrotask, win, [f]);
  const rawThen = Promise.prototype.then;
  const rawListen = EventTarget.prototype.addEventListener;
  const listen = (target, type, f, options) => apply(rawListen, target, [type, f, options]);
  const rawCreate = Document.prototype.createElement;

  // JSON by hand: the built-in one obeys toJSON, which a page may have put on Object.prototype.
  const encode = (v) => {
    switch (typeof v) {
      case "string": return quote(v);
      case "number": return finite(v) ? "" + v : "null";
      case "boolean": return v ? "true" : "false";
      case "object": break;
      default: return "null";
    }
    if (v === null) return "null";
    let out = "";
    if (isArray(v)) {
      for (let i = 0; i < v.length; i++) out += (i ? "," : "") + encode(v[i]);
      return "[" + out + "]";
    }
    for (const key of keys(v)) {
      if (v[key] !== undefined) out += (out ? "," : "") + quote(key) + ":" + encode(v[key]);
    }
    return "{" + out + "}";
  };

  let queue = [];
  let scheduled = false;
  const flush = () => {
    scheduled = false;
    if (!queue.length) return;
    const batch = queue;
    queue = [];
    try {
      channel(encode(batch));
    } catch {
      // The session is gone; the page must go on.
    }
  };
  const send = (message) => {
    queue[queue.length] = message;
    if (queue.length >= 64) flush();
    else if (!scheduled) {
      scheduled = true;
      later(flush, 10);
    }
  };

  const text = (v, max) => {
    let s;
    try {
      s = typeof v === "string" ? v : "" + v;
    } catch {
      s = "(unprintable)";
    }
    return s.length > max ? s.slice(0, max) : s;
  };

  let failures = 0;
  const fail = (where, e) => {
    if (failures >= 5) return;
    failures++;
    send({ k: "probe_error", t: r1(now()), where, message: text(e, 300) });
  };
  // Our own work inside a page's call: whatever goes wrong in it stays here.
  const guard = (where, f) => {
    try {
      return f();
    } catch (e) {
      fail(where, e);
      return undefined;
    }
  };

  // A hook must look like what it replaces, down to name, length and source text.
  const native = new WeakMap();
  const disguise = (fake, real) => {
    for (const key of ["length", "name"]) {
      const d = getOwnPropertyDescriptor(real, key);
      if (d) defineProperty(fake, key, d);
    }
    native.set(fake, real);
    return fake;
  };
  // `make(original)` returns the replacement: written as a method, so that `new` refuses it as it did before.
  const hook = (target, name, make, part = "value") => {
    const d = target && getOwnPropertyDescriptor(target, name);
    if (!d || typeof d[part] !== "function" || !(d.configurable || (d.writable && part === "value"))) return false;
    const real = d[part];
    d[part] = disguise(make(real), real);
    defineProperty(target, name, d);
    return true;
  };
  // A constructor: a proxy keeps its statics, its prototype and instanceof.
  const hookClass = (target, name, built) => {
    const d = target && getOwnPropertyDescriptor(target, name);
    if (!d || typeof d.value !== "function" || !d.configurable) return null;
    const real = d.value;
    const proxy = new Proxy(real, {
      construct: (t, args, newTarget) => {
        const made = construct(t, args, newTarget === proxy ? t : newTarget);
        guard(name, () => built(made, args));
        return made;
      },
    });
    native.set(proxy, real);
    defineProperty(target, name, { ...d, value: proxy });
    const own = real.prototype && getOwnPropertyDescriptor(real.prototype, "constructor");
    if (own && own.configurable && own.value === real) defineProperty(real.prototype, "constructor", { ...own, value: proxy });
    return proxy;
  };
  hook(Function.prototype, "toString", (real) => ({
    toString() {
      return apply(real, native.get(this) || this, arguments);
    },
  }).toString);

  // `frames` are read one after the other from now on: few of the old picture, whose reading slows the page before the
  // input, and more after it. `serial` changes at every arm and input: whoever counts frames starts anew when it differs.
  const state = { armed: false, id: null, frames: 0, after: 0, ids: null, sound: false, serial: 0, base: 0, waiting: false };
  const onArm = [];

  const INPUTS = ["pointerdown", "mousedown", "keydown", "click"];
  const input = (event) => {
    if (!state.waiting || !event.isTrusted) return;
    state.waiting = false;
    state.frames = state.after;
    state.serial++;
    send({ k: "input", id: state.id, type: event.type, t: r1(event.timeStamp) });
    flush();
  };
  const watchInput = () => {
    for (const type of INPUTS) listen(win, type, input, { capture: true, passive: true });
  };
  watchInput();

  // `gl`: also make a context to see what the browser draws with; the page's own tells that for nothing, if it has one.
  const facts = (gl) => {
    const out = {
      renderer: null,
      vendor: null,
      webgl: 0,
      codecs: {},
      rvfc: "requestVideoFrameCallback" in HTMLVideoElement.prototype,
      dpr: win.devicePixelRatio,
      innerWidth: win.innerWidth,
      innerHeight: win.innerHeight,
      visibility: document.visibilityState,
      heap: perf.memory ? perf.memory.usedJSHeapSize : null,
      autoplay: null,
    };
    if (gl) guard("facts.gl", () => {
      // Through the original getContext, so that this context is not taken for one of the page's.
      const canvas = apply(rawCreate, document, ["canvas"]);
      canvas.width = canvas.height = 1;
      let gl = apply(sc.getContext, canvas, ["webgl2"]);
      if (gl) out.webgl = 2;
      else {
        gl = apply(sc.getContext, canvas, ["webgl"]);
        if (gl) out.webgl = 1;
      }
      if (!gl) return;
      const who = sc.identify(gl);
      out.renderer = who.renderer;
      out.vendor = who.vendor;
      const lose = gl.getExtension("WEBGL_lose_context");
      if (lose) lose.loseContext();
    });
    guard("facts.codecs", () => {
      const v = apply(rawCreate, document, ["video"]);
      const ask = (type) => v.canPlayType(type);
      out.codecs = {
        h264: ask('video/mp4; codecs="avc1.42E01E"'),
        vp9: ask('video/webm; codecs="vp9"'),
        av1: ask('video/mp4; codecs="av01.0.05M.08"'),
        hevc: ask('video/mp4; codecs="hvc1.1.6.L93.B0"'),
      };
    });
    guard("facts.autoplay", () => {
      if (navigator.getAutoplayPolicy) out.autoplay = navigator.getAutoplayPolicy("mediaelement");
    });
    return encode(out);
  };

  const control = Object.freeze({
    arm(id, options) {
      const { before = 4, frames = 60, sound = false, ids = null } = options || {};
      state.armed = state.waiting = true;
      state.id = id;
      state.frames = before;
      state.after = frames;
      state.ids = ids;
      state.sound = !!sound;
      state.serial++;
      state.base++;
      watchInput(); // document.open() takes every listener away; adding one twice is nothing
      for (const f of onArm) guard("arm", f);
      return now();
    },
    disarm() {
      state.armed = state.waiting = state.sound = false;
      state.id = state.ids = null;
      state.serial++;
      flush();
    },
    now: () => origin + now(),
    facts,
  });
  defineProperty(win, Symbol.for("soundcheck"), { value: control });

  const sc = {
    apply, later, soon, listen, hook, hookClass, guard, fail, send, flush, text, r1, now, state, onArm, rawThen, rawCreate,
    // Filled in by the files that follow.
    getContext: null,
    identify: () => ({ renderer: null, vendor: null }),
    level: () => null,
    videoOf: () => null,
  };

  listen(win, "pagehide", flush, true);
  send({
    k: "hello",
    t: r1(now()),
    origin,
    url: text(win.location.href, 2000),
    top: win === win.top,
    ua: navigator.userAgent,
    platform: navigator.platform,
    visible: document.visibilityState === "visible",
  });
  flush();
  return sc;
}
