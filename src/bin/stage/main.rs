//! `soundcheck-stage`: the reference app the monitor is proved against.
//!
//! A small music player with a Hydra visualizer, login, ranged media, a video proxy and a second origin. Every
//! defect it can have is a row of [`defect::DEFECTS`], off unless asked for by name.
//!
//! | module | what |
//! |---|---|
//! | [`args`] | the command line; where hydra-synth is |
//! | [`bent`] | how defects bend what the media server sends |
//! | [`clips`] | the video clips, made by ffmpeg once per machine |
//! | [`defect`] | the table of defects |
//! | [`media`] | ranged files, both origins |
//! | [`proxy`] | `/api/video-proxy` |
//! | [`users`] | login, guests, sessions, roles |
//! | [`room`] | the rooms' sockets, and who hears of what |
//! | [`queue`] | the rooms' queues |
//! | [`library`] | songs, and the search among them |
//! | [`stuck`] | pages that never come, never end, or ask who is there |
//! | [`telemetry`] | the app's own events, its metrics |
//! | [`trace`] | its spans, in the trace of who asks |
//! | [`pages`] | pages, scripts, config, health |

mod args;
mod bent;
mod clips;
mod defect;
mod library;
mod media;
mod pages;
mod proxy;
mod queue;
mod room;
mod stuck;
mod telemetry;
mod trace;
mod users;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::sync::watch;

use args::Args;
use defect::Defects;

/// What stops the stage from starting. All of it is for the operator to mend, so it ends with exit code 3.
pub type Result<T> = std::result::Result<T, String>;

/// Everything a handler may need.
pub struct Stage {
    /// Defects switched on.
    pub defects: Defects,
    /// How much the app tells of itself.
    pub mode: telemetry::Mode,
    /// Folder of the clips.
    pub clips: PathBuf,
    /// hydra-synth's browser build, read at each request: it is AGPL, so no copy of it is in this program.
    pub hydra: PathBuf,
    /// Accounts and sessions.
    pub users: users::Users,
    /// The rooms and their queues.
    pub rooms: room::Rooms,
    /// The app's own events.
    pub store: telemetry::Store,
    /// Counters of `/metrics`.
    pub metrics: Arc<telemetry::Metrics>,
    /// The video proxy.
    pub proxy: proxy::Proxy,
    /// `http://127.0.0.1:PORT` of the second origin.
    pub second: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if args.list_defects {
        print!("{}", defect::listing());
        return ExitCode::SUCCESS;
    }
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "soundcheck_stage=info".into());
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    if args.log_json {
        log.json().init()
    } else {
        log.init()
    }
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("stage: {what}");
            ExitCode::from(3)
        }
    }
}

async fn run(args: Args) -> Result<()> {
    trace::start()?;
    let hydra = args::find_hydra(args.hydra.as_deref())?;
    let clips = clips::ensure().await?;

    let first = bind(args.port).await?;
    let second = bind(0).await?;
    let first_address = address(&first)?;
    let second_origin = format!("http://{}", address(&second)?);

    let stage = Arc::new(Stage {
        defects: Defects::new(args.defects()),
        mode: args.telemetry,
        clips,
        hydra,
        users: users::Users::open(Duration::from_millis(args.token_life))?,
        rooms: room::Rooms::open()?,
        store: telemetry::Store::default(),
        metrics: Arc::default(),
        proxy: proxy::Proxy::new(
            &second_origin,
            args.proxy_limit,
            Duration::from_millis(args.proxy_idle),
            args.fetch_through.as_deref(),
        )?,
        second: second_origin,
    });

    let (stop, stopped) = watch::channel(false);
    tokio::spawn(serve(second, second_origin_routes(stage.clone()), stopped.clone()));
    let app = tokio::spawn(serve(first, routes(stage), stopped));

    println!("stage: listening on http://{first_address}");
    wait_for_signal().await?;
    // A send fails only when nobody serves any more, and then there is nothing to stop.
    let _ = stop.send(true);
    app.await.map_err(|e| format!("the server task ended badly: {e}"))?;
    Ok(())
}

fn routes(stage: Arc<Stage>) -> Router {
    Router::new()
        .merge(pages::routes())
        .merge(users::routes())
        .merge(room::routes())
        .merge(library::routes())
        .merge(proxy::routes())
        .merge(telemetry::routes())
        .merge(media::routes())
        .layer(axum::middleware::from_fn_with_state(stage.clone(), telemetry::count))
        .layer(axum::middleware::from_fn(trace::serve))
        .with_state(stage)
}

fn second_origin_routes(stage: Arc<Stage>) -> Router {
    media::second_origin_routes().layer(axum::middleware::from_fn(trace::serve)).with_state(stage)
}

async fn bind(port: u16) -> Result<TcpListener> {
    // Loopback only: the stage has well-known passwords and defects on purpose.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|e| format!("cannot listen on {address}: {e}; choose another --port"))
}

fn address(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|e| format!("the listening socket has no address: {e}"))
}

/// Serves until told to stop. Open connections are dropped, not drained: a media response may last for ever.
async fn serve(listener: TcpListener, app: Router, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        served = axum::serve(listener, app) => {
            if let Err(e) = served {
                tracing::error!("serving ended: {e}");
            }
        }
        _ = stopped.changed() => {}
    }
}

async fn wait_for_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let cannot = |e| format!("cannot listen for signals: {e}");
    let mut term = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut int = signal(SignalKind::interrupt()).map_err(cannot)?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
