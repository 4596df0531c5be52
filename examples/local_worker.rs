//! A worker whose future is not `Send`: it owns a document of `Rc` nodes, and no lock.
//!
//! The document lives on a thread of its own, with tasks beside it that share it. Other code talks to it through a channel. A
//! command breaks it: its tasks end with it, and it starts again on a new thread, with an empty document.

use std::{cell::RefCell, rc::Rc, thread, time::Duration};

use supervision::{BoxError, ProcessShutdown, Retained, Supervisor, local_worker};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_local,
    time::sleep,
};

/// A node of a tree in which each part can be shared: `Rc` and `Cell` belong to one thread.
struct Node {
    text: String,
    children: RefCell<Vec<Rc<Node>>>,
}

impl Node {
    fn new(text: impl Into<String>) -> Rc<Self> {
        Rc::new(Self { text: text.into(), children: RefCell::default() })
    }

    fn outline(&self) -> String {
        let children: Vec<_> = self.children.borrow().iter().map(|child| child.outline()).collect();
        if children.is_empty() { self.text.clone() } else { format!("{}({})", self.text, children.join(" ")) }
    }
}

/// Saves the document now and then, and once more at its end.
struct Saver(Rc<Node>);

impl Saver {
    fn save(&self) {
        println!("[{}] saved {}", thread::current().name().unwrap_or("?"), self.0.outline());
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.save();
    }
}

/// What other code asks the worker. This is `Send`.
enum Request {
    Add(String),
    Outline(oneshot::Sender<String>),
    Break,
}

async fn document(requests: Retained<mpsc::Receiver<Request>>, shutdown: ProcessShutdown) {
    println!("[{}] an empty document", thread::current().name().unwrap_or("?"));
    let mut requests = requests.take();
    let root = Node::new("root");

    // A task beside the worker, on the same thread: it shares the document, and ends with the worker.
    let saver = Saver(root.clone());
    spawn_local(async move {
        loop {
            sleep(Duration::from_secs(60)).await;
            saver.save();
        }
    });

    while let Some(Some(request)) = shutdown.run_until(requests.recv()).await {
        match request {
            Request::Add(text) => root.children.borrow_mut().push(Node::new(text)),
            Request::Outline(answer) => drop(answer.send(root.outline())), // the caller may have gone
            Request::Break => panic!("the document is broken"),
        }
    }
}

async fn outline(document: &mpsc::Sender<Request>) -> Result<String, BoxError> {
    let (answer, answered) = oneshot::channel();
    document.send(Request::Outline(answer)).await?;
    Ok(answered.await?)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (sender, receiver) = mpsc::channel(16);
    // The channel outlives each incarnation, so no request is lost.
    let requests = Retained::new(receiver);

    let mut root = Supervisor::new("root")?;
    // The closure is `Send`, and makes a future that is not.
    root.add_worker(local_worker("document", move |shutdown| document(requests.clone(), shutdown)));
    let tree = supervision::start(root).await?;

    for text in ["one", "two"] {
        sender.send(Request::Add(text.into())).await?;
    }
    println!("outline: {}", outline(&sender).await?);

    sender.send(Request::Break).await?;
    sender.send(Request::Add("three".into())).await?;
    println!("outline after a restart: {}", outline(&sender).await?);

    tree.shutdown().await?;
    println!("stopped");
    Ok(())
}
