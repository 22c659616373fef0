//! What a session is asked for: the WebDriver capabilities of both browsers. Pure.
//!
//! The monitor must see what users see. So autoplay rules, codecs and throttling stay as shipped; only what talks to
//! the vendor, asks questions, or depends on there being a screen is switched off.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Kind;

/// Credentials for HTTP Basic authentication, given to one origin only.
#[derive(Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The origin that may ask for them, such as `https://app.example`. Others get a cancelled challenge.
    pub origin: String,
    /// The user.
    pub user: String,
    /// The password; never printed.
    pub password: String,
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What a session is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which browser.
    pub kind: Kind,
    /// Whether a person wants to watch: the browser opens on `display` as given, which may be a real one.
    pub headed: bool,
    /// The X display, such as ":99". `None` means headless, and then Firefox has no WebGL.
    pub display: Option<String>,
    /// The play's private directory; the profile lives in it.
    pub dir: PathBuf,
    /// What Chromium's microphone hears. `None` leaves the machine's microphones.
    pub wav: Option<PathBuf>,
    /// PULSE_SERVER of the sound server whose microphone Firefox hears.
    pub pulse: Option<String>,
    /// The browser, where it is not the one that the driver finds.
    pub browser_binary: Option<PathBuf>,
    /// The window's width and height in CSS pixels, the browser's own bars included.
    pub window: (u32, u32),
    /// Whether certificate errors are ignored. This also hides the app's own.
    pub insecure_certs: bool,
    /// A profile that Firefox begins with: a zip archive in base64, as [`super::trust::trust`] makes one. Chromium takes
    /// none.
    pub profile: Option<String>,
    /// The fault proxy, for all hosts and loopback too.
    pub proxy: Option<SocketAddr>,
    /// Whether the driver is on another machine (Selenium Grid): then no paths, and nothing about displays.
    pub remote: bool,
    /// Answers HTTP Basic challenges; without it they are cancelled.
    pub basic_auth: Option<BasicAuth>,
    /// Whether Chromium runs without its sandbox: it cannot have one as root.
    pub no_sandbox: bool,
}

impl Options {
    /// The usual: a 1280 x 800 window, headless, no proxy, no sound; the sandbox off only for root.
    pub fn new(kind: Kind, dir: &Path) -> Options {
        Options {
            kind,
            headed: false,
            display: None,
            dir: dir.to_owned(),
            wav: None,
            pulse: None,
            browser_binary: None,
            window: (1280, 800),
            insecure_certs: false,
            profile: None,
            proxy: None,
            remote: false,
            basic_auth: None,
            no_sandbox: rustix::process::geteuid().is_root(),
        }
    }
}

/// The capabilities for a new session.
pub fn capabilities(options: &Options) -> Map<String, Value> {
    let (name, vendor_key, vendor) = match options.kind {
        Kind::Chromium => ("chrome", "goog:chromeOptions", chromium(options)),
        Kind::Firefox => ("firefox", "moz:firefoxOptions", firefox(options)),
    };
    let mut all = Map::new();
    all.insert("browserName".into(), json!(name));
    all.insert(vendor_key.into(), vendor);
    all.insert("webSocketUrl".into(), json!(true));
    all.insert("acceptInsecureCerts".into(), json!(options.insecure_certs));
    // Nothing waits inside the driver: a page that never finishes loading would hold fantoccini's only slot.
    all.insert("pageLoadStrategy".into(), json!("none"));
    all.insert("timeouts".into(), json!({"implicit": 0, "pageLoad": 60_000, "script": 30_000}));
    // A page behind a prompt stands still, so prompts are answered at once: yes to an alert and to "leave this page?",
    // no to questions, whose "yes" may change data. The browser must do it and not the session: chromedriver delivers
    // neither events nor commands when a prompt opens while it handles a BiDi command (seen on a loaded machine).
    all.insert(
        "unhandledPromptBehavior".into(),
        json!({"alert": "accept", "beforeUnload": "accept", "confirm": "dismiss", "prompt": "dismiss", "default": "dismiss"}),
    );
    if let Some(proxy) = options.proxy {
        let proxy = proxy.to_string();
        // "<-loopback>" takes Chromium's exception for loopback away; Firefox needs a preference for that.
        let no_proxy = json!(["<-loopback>"]);
        all.insert(
            "proxy".into(),
            json!({"proxyType": "manual", "httpProxy": proxy, "sslProxy": proxy, "noProxy": no_proxy}),
        );
    }
    all
}

fn chromium(options: &Options) -> Value {
    let mut args: Vec<String> = [
        "--disable-background-networking",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-component-update",
        "--disable-sync",
        // The proxy speaks TCP only, and would be passed by.
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--password-store=basic",
        "--disable-features=Translate,MediaRouter,OptimizationHints",
        "--force-device-scale-factor=1",
        // Nobody looks at the window, and it must not be throttled for that.
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
    ]
    .map(str::to_owned)
    .into();
    args.push(format!("--window-size={},{}", options.window.0, options.window.1));
    if options.no_sandbox {
        args.push("--no-sandbox".into());
    }
    let on_display = options.display.is_some() || (options.headed && !options.remote);
    let graphics: &[&str] = if on_display {
        // Mesa's llvmpipe, about twice as fast as SwiftShader on two cores.
        &["--use-gl=angle", "--use-angle=gl", "--ignore-gpu-blocklist"]
    } else {
        &["--headless=new", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    };
    args.extend(graphics.iter().map(|a| (*a).to_owned()));
    if !options.remote {
        // When driver and reaper are both killed, this pipe breaks, and Chromium ends by itself.
        args.push("--remote-debugging-pipe".into());
        args.push(format!("--user-data-dir={}", options.dir.join("profile").display()));
    }
    if let Some(wav) = &options.wav {
        args.push("--use-fake-device-for-media-stream".into());
        args.push("--use-fake-ui-for-media-stream".into());
        if !options.remote {
            args.push(format!("--use-file-for-fake-audio-capture={}", wav.display()));
        }
    }
    let mut vendor = json!({"args": args});
    if let (Some(binary), false) = (&options.browser_binary, options.remote) {
        vendor["binary"] = json!(binary);
    }
    vendor
}

fn firefox(options: &Options) -> Value {
    let mut args = vec!["-width".to_owned(), options.window.0.to_string()];
    args.extend(["-height".to_owned(), options.window.1.to_string()]);
    if options.display.is_none() && !options.headed {
        args.push("-headless".into());
    }
    let mut prefs = Map::new();
    let mut set = |name: &str, value: Value| prefs.insert(name.to_owned(), value);
    for name in [
        "app.update.enabled",
        "app.update.auto",
        "app.normandy.enabled",
        "datareporting.healthreport.uploadEnabled",
        "datareporting.policy.dataSubmissionEnabled",
        "toolkit.telemetry.enabled",
        "toolkit.telemetry.unified",
        "toolkit.telemetry.archive.enabled",
        "network.captive-portal-service.enabled",
        "network.connectivity-service.enabled",
        "browser.safebrowsing.malware.enabled",
        "browser.safebrowsing.phishing.enabled",
        "browser.safebrowsing.downloads.enabled",
        "browser.safebrowsing.blockedURIs.enabled",
        "browser.newtabpage.activity-stream.feeds.telemetry",
        "browser.newtabpage.activity-stream.feeds.topsites",
        "browser.shell.checkDefaultBrowser",
        "browser.region.update.enabled",
        "extensions.getAddons.cache.enabled",
        "extensions.update.enabled",
        "extensions.systemAddon.update.enabled",
        "messaging-system.rsexperimentloader.enabled",
        "media.gmp-manager.updateEnabled",
        // The proxy speaks TCP only, and would be passed by.
        "network.http.http3.enable",
        "network.dns.native_https_query",
    ] {
        set(name, json!(false));
    }
    set("app.update.disabledForTesting", json!(true));
    set("services.settings.server", json!("data:,"));
    set("browser.region.network.url", json!(""));
    set("extensions.getAddons.get.url", json!("data:,"));
    set("media.gmp-manager.url", json!("data:,"));
    set("toolkit.telemetry.server", json!("data:,"));
    set("browser.startup.page", json!(0));
    set("browser.startup.homepage", json!("about:blank"));
    set("startup.homepage_welcome_url", json!("about:blank"));
    if options.wav.is_some() || options.pulse.is_some() {
        // The question for the microphone is answered; which microphone it is stays the machine's matter.
        set("media.navigator.permission.disabled", json!(true));
        set("permissions.default.microphone", json!(1));
    }
    if options.proxy.is_some() {
        set("network.proxy.allow_hijacking_localhost", json!(true));
    }
    let mut vendor = json!({"args": args, "prefs": prefs});
    if let Some(profile) = &options.profile {
        vendor["profile"] = json!(profile);
    }
    if let (Some(binary), false) = (&options.browser_binary, options.remote) {
        vendor["binary"] = json!(binary);
    }
    vendor
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(options: &Options) -> String {
        let all = capabilities(options);
        let vendor = all.get("goog:chromeOptions").or(all.get("moz:firefoxOptions")).expect("vendor options");
        vendor["args"].to_string()
    }

    #[test]
    fn chromium_draws_with_llvmpipe_on_a_display_and_with_swiftshader_without() {
        let mut options = Options::new(Kind::Chromium, Path::new("/play"));
        assert!(args(&options).contains("--headless=new") && args(&options).contains("swiftshader"));
        options.display = Some(":9".into());
        assert!(args(&options).contains("--use-angle=gl") && !args(&options).contains("headless"));
    }

    #[test]
    fn autoplay_is_never_relaxed_and_automation_never_hidden() {
        for kind in [Kind::Chromium, Kind::Firefox] {
            let all = serde_json::to_string(&capabilities(&Options::new(kind, Path::new("/play")))).expect("JSON");
            for word in ["autoplay", "excludeSwitches", "AutomationControlled", "streams.fake"] {
                assert!(!all.contains(word), "{kind}: {word}");
            }
        }
    }

    #[test]
    fn the_sandbox_goes_only_for_root() {
        let mut options = Options::new(Kind::Chromium, Path::new("/play"));
        options.no_sandbox = false;
        assert!(!args(&options).contains("--no-sandbox"));
    }

    #[test]
    fn a_remote_session_names_no_path_of_ours() {
        for kind in [Kind::Chromium, Kind::Firefox] {
            let mut options = Options::new(kind, Path::new("/play"));
            options.remote = true;
            options.browser_binary = Some("/play/browser".into());
            options.wav = Some("/play/mic.wav".into());
            let all = serde_json::to_string(&capabilities(&options)).expect("JSON");
            assert!(!all.contains("/play") && !all.contains("debugging-pipe"), "{all}");
        }
    }

    #[test]
    fn the_proxy_covers_loopback_in_both() {
        let mut options = Options::new(Kind::Firefox, Path::new("/play"));
        options.proxy = Some(([127, 0, 0, 1], 8080).into());
        let all = capabilities(&options);
        assert_eq!(all["proxy"]["noProxy"], json!(["<-loopback>"]));
        assert_eq!(all["moz:firefoxOptions"]["prefs"]["network.proxy.allow_hijacking_localhost"], true);
    }

    #[test]
    fn only_firefox_is_given_a_profile() {
        for kind in [Kind::Chromium, Kind::Firefox] {
            let mut options = Options::new(kind, Path::new("/play"));
            options.profile = Some("UEsF".into());
            let all = serde_json::to_string(&capabilities(&options)).expect("JSON");
            assert_eq!(all.contains("UEsF"), kind == Kind::Firefox, "{all}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let auth = BasicAuth { origin: "http://a".into(), user: "u".into(), password: "hunter2".into() };
        assert!(!format!("{auth:?}").contains("hunter2"));
    }
}
