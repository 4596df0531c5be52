use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Child, Scope};
use crate::{
    error::{Failure, InvalidSpec},
    incarnation::{Exit, ProcessBody, ProcessContext, Report, ReportKind, Step, guard},
    placement::{SpawnerFactory, is_out_of_time},
    spawner::Executor,
};

/// The process that makes an executor for a child, and then continues on it as the child's process. It runs beside the
/// other children, because the factory is the code of a user.
pub(super) struct FreshExecutor {
    pub(super) child: Arc<dyn Child>,
    pub(super) factory: SpawnerFactory,
    pub(super) context: ProcessContext,
    pub(super) scope: Arc<Scope>,
}

impl ProcessBody for FreshExecutor {
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Step> {
        let Self { child, factory, context, scope } = &*self;
        // R4, A3: an error, or a panic, which the process catches, is the failed start of this child.
        let spawner = match factory(&context.parent.path_of(child.name())) {
            Ok(spawner) => Executor::new(spawner),
            Err(error) => return Poll::Ready(Step::Ended(Exit::Failed(Failure::from_error(&*error)))),
        };
        if is_out_of_time(&**spawner, &**scope.home) {
            let failure = Failure::new(InvalidSpec::RealBelowVirtual.to_string());
            return Poll::Ready(Step::Ended(Exit::Failed(failure)));
        }
        // A2: the child is not ready before its executor exists, which may fail. Reported here, before the new executor
        // has the process: its end may come at once, and must not be read first.
        if child.settings().is_ready_when_there() && child.cell().mark_ready(context.id) {
            context.parent.report(Report { process_key: context.process_key, kind: ReportKind::Ready });
        }
        // From here on that process reports the exit, whatever the new executor does with it.
        let _ = guard(|| child.clone().embody_on(spawner, context.clone(), scope));
        Poll::Ready(Step::Moved)
    }
}
