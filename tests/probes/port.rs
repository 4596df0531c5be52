//! The address that the probes listen on.

use std::net::TcpListener;

use supervision::{ChildState, Probes, SupervisorError};

use crate::{
    client::{ask, root, serve, until},
    harness::World,
};

mount_in_real_time! { everywhere:
    a_restart_listens_on_the_same_port
    p2_the_port_is_free_when_the_end_of_the_probes_is_seen
    a_port_that_is_taken_is_a_failed_start
}

async fn a_restart_listens_on_the_same_port(world: World) {
    let probes = Probes::on_loopback(0);
    let (tree, address) = serve(&world, &probes).await;
    let id = tree.handle().find("probes").await.unwrap()[0].id;
    for restarts in 1..=5 {
        // A client that stays does not keep the port.
        let _client = crate::client::connect(address);
        tree.handle().kill_child(id).await.unwrap();
        while tree.snapshot().await.find("root.probes").is_none_or(|probes| probes.restarts < restarts) {
            futures_lite::future::yield_now().await;
        }
        tree.ready().await.unwrap();
        assert_eq!(probes.local_addr(), Some(address));
        assert_eq!(ask(address, "/startupz").await.status, 200);
    }
    tree.shutdown().await.unwrap();
}

async fn p2_the_port_is_free_when_the_end_of_the_probes_is_seen(world: World) {
    let (tree, address) = serve(&world, &Probes::on_loopback(0)).await;
    let id = tree.handle().find("probes").await.unwrap()[0].id;
    let idle = crate::client::connect(address);
    tree.handle().terminate_child(id).await.unwrap();
    until(&tree.handle(), "root.probes", ChildState::Stopped).await;
    let listener = TcpListener::bind(address).expect("the port is free");
    drop((listener, idle));
    tree.handle().restart_child(id).await.unwrap();
    assert_eq!(ask(address, "/readyz").await.status, 200);
    tree.shutdown().await.unwrap();
    TcpListener::bind(address).expect("the port is free");
}

async fn a_port_that_is_taken_is_a_failed_start(world: World) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut root = root();
    root.add_worker(Probes::on(address));
    let error = world.start(root).await.unwrap_err();
    assert!(matches!(error, SupervisorError::FailedToStart { .. }), "{error:#}");
    let text = format!("{error:#}");
    assert!(text.starts_with(&format!("`root.probes` failed to start: cannot listen on {address}: ")), "{text}");
    assert!(text.ends_with("; choose another port, or 0"), "{text}");
}
