//! What supervision makes of traces: nothing, unless it is asked to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use executor_sim::Sim;
use opentelemetry::{
    SpanId, TraceId,
    trace::{SpanContext, TracerProvider},
};
use opentelemetry_sdk::trace::{IdGenerator, InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use supervision::{BoxError, ChildSpec, RestartStrategy, ShutdownStrategy, Supervisor, one_shot, process, worker};
use tracing::{info_span, level_filters::LevelFilter};
use tracing_subscriber::{Layer, Registry, filter::Targets, layer::SubscriberExt};

/// Ids from a seed: a trace is sampled by its id, so the same ones are in each run.
#[derive(Debug)]
struct Seeded(Mutex<fastrand::Rng>);

impl IdGenerator for Seeded {
    fn new_trace_id(&self) -> TraceId {
        self.0.lock().unwrap().u128(1..).into()
    }

    fn new_span_id(&self) -> SpanId {
        self.0.lock().unwrap().u64(1..).into()
    }
}

impl Seeded {
    fn new() -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(1)))
    }
}

/// The spans that are exported while a test runs on a simulator.
fn exported(sampler: Sampler, filter: Targets, test: impl AsyncFnOnce(&Sim)) -> Vec<SpanData> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .with_id_generator(Seeded::new())
        .with_sampler(sampler)
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test")).with_filter(filter);
    tracing::subscriber::with_default(Registry::default().with(layer), || {
        let sim = Sim::with_seed(1);
        sim.run_until(test(&sim));
    });
    exporter.get_finished_spans().unwrap()
}

/// What a program has that looks for nothing in particular.
fn info() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

fn ten_percent() -> Sampler {
    Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.1)))
}

/// Runs one child until it has ended.
async fn run(sim: &Sim, child: ChildSpec) {
    let unlimited = RestartStrategy::one_for_one().with_unlimited_restarts();
    let mut root = Supervisor::new("root").unwrap().with_restart_strategy(unlimited);
    root.add_worker(child);
    let tree = root.start_on(sim.spawner()).await.unwrap();
    sim.sleep(Duration::from_secs(60)).await;
    tree.shutdown().await.unwrap();
}

/// A worker that serves so many requests, one after the other.
fn server(requests: usize) -> ChildSpec {
    worker("server", move |shutdown| async move {
        for number in 0..requests {
            let request = info_span!("request", number);
            process::sleep(Duration::from_millis(1)).await;
            request.in_scope(|| info_span!("query"));
        }
        shutdown.await;
    })
}

fn traces<'a>(spans: impl IntoIterator<Item = &'a SpanData>) -> BTreeSet<[u8; 16]> {
    spans.into_iter().map(|span| span.span_context.trace_id().to_bytes()).collect()
}

fn named<'a>(spans: &'a [SpanData], name: &str) -> Vec<&'a SpanData> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[test]
fn of_a_thousand_requests_ten_percent_are_sampled() {
    let spans = exported(ten_percent(), info(), async |sim| run(sim, server(1000)).await);
    let requests = named(&spans, "request");
    assert!((50..=150).contains(&requests.len()), "{} were sampled", requests.len());
    assert_eq!(traces(requests.iter().copied()).len(), requests.len(), "each is sampled for itself");
    assert_eq!(spans.len(), 2 * requests.len(), "and nothing but the requests and their queries is exported");
}

#[test]
fn each_request_is_one_trace() {
    let spans = exported(Sampler::AlwaysOn, info(), async |sim| run(sim, server(1000)).await);
    let (requests, queries) = (named(&spans, "request"), named(&spans, "query"));
    assert_eq!((requests.len(), queries.len(), spans.len()), (1000, 1000, 2000));
    assert_eq!(traces(&spans).len(), 1000);
    assert!(requests.iter().all(|request| request.parent_span_id == SpanId::INVALID));
    let by_id: BTreeMap<_, _> = requests.iter().map(|span| (span.span_context.span_id().to_bytes(), span)).collect();
    assert!(queries.iter().all(|query| {
        let request = by_id[&query.parent_span_id.to_bytes()];
        request.span_context.trace_id() == query.span_context.trace_id()
    }));
}

#[test]
fn a_span_of_each_process_is_the_parent_where_it_is_turned_on() {
    let filter = info().with_target("supervision::process", LevelFilter::TRACE);
    let spans = exported(Sampler::AlwaysOn, filter, async |sim| run(sim, server(10)).await);
    let server = named(&spans, "root.server")[0];
    let requests = named(&spans, "request");
    assert_eq!(requests.len(), 10);
    assert!(requests.iter().all(|request| request.parent_span_id == server.span_context.span_id()));
    assert_eq!(server.parent_span_id, SpanId::INVALID);
}

/// Runs it in the span of a request. What is exported, and the context of that span.
fn exported_in_request(child: fn() -> ChildSpec) -> (Vec<SpanData>, SpanContext) {
    let spans = exported(Sampler::AlwaysOn, info(), async |sim| {
        let spec = info_span!("handler").in_scope(|| child().in_current_span());
        run(sim, spec).await;
    });
    let handler = named(&spans, "handler")[0].span_context.clone();
    (spans, handler)
}

#[test]
fn in_current_span_makes_a_job_one_trace_with_a_link() {
    let (spans, handler) = exported_in_request(|| {
        one_shot("job", async {
            for _ in 0..10 {
                let step = info_span!("step");
                process::sleep(Duration::from_millis(1)).await;
                drop(step);
            }
        })
    });
    let [job] = named(&spans, "root.job")[..] else { panic!("{spans:?}") };
    let links: Vec<_> = job.links.iter().map(|link| link.span_context.clone()).collect();
    assert_eq!(links, std::slice::from_ref(&handler));
    assert_eq!(job.parent_span_id, SpanId::INVALID);
    assert_ne!(job.span_context.trace_id(), handler.trace_id());
    let steps = named(&spans, "step");
    assert_eq!(steps.len(), 10);
    assert!(steps.iter().all(|step| step.parent_span_id == job.span_context.span_id()));
    for field in ["path", "process_id"] {
        assert!(job.attributes.iter().any(|attribute| attribute.key.as_str() == field), "{:?}", job.attributes);
    }
    // The simulator starts the job only after the handler is done: its span must not stay open for the job.
    let order: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!((order[0], *order.last().unwrap()), ("handler", "root.job"), "{order:?}");
}

#[test]
fn in_current_span_links_each_incarnation() {
    let (spans, handler) = exported_in_request(|| {
        worker("flaky", |_| async {
            process::sleep(Duration::from_secs(25)).await;
            Err::<(), BoxError>("it fails".into())
        })
        .with_shutdown_strategy(ShutdownStrategy::Brutal)
    });
    let incarnations = named(&spans, "root.flaky");
    assert_eq!(incarnations.len(), 3, "two failed, and one was stopped");
    assert_eq!(traces(incarnations.iter().copied()).len(), 3);
    for incarnation in incarnations {
        let links: Vec<_> = incarnation.links.iter().map(|link| link.span_context.clone()).collect();
        assert_eq!(links, std::slice::from_ref(&handler));
    }
}

#[test]
fn in_current_span_needs_no_span() {
    let spans = exported(Sampler::AlwaysOn, info(), async |sim| {
        run(sim, one_shot("job", async { info_span!("step").in_scope(|| ()) }).in_current_span()).await;
    });
    let [job] = named(&spans, "root.job")[..] else { panic!("{spans:?}") };
    assert!(job.links.is_empty());
    assert_eq!(named(&spans, "step")[0].parent_span_id, job.span_context.span_id());
}

#[test]
fn in_current_span_of_a_supervisor_does_not_cover_its_children() {
    let spans = exported(Sampler::AlwaysOn, info(), async |sim| {
        let mut inner = Supervisor::new("inner").unwrap();
        inner.add_worker(server(10));
        run(sim, ChildSpec::from(inner).in_current_span()).await;
    });
    assert_eq!(named(&spans, "root.inner").len(), 1);
    let requests = named(&spans, "request");
    assert_eq!((requests.len(), traces(requests.iter().copied()).len()), (10, 10));
    assert!(requests.iter().all(|request| request.parent_span_id == SpanId::INVALID));
}
