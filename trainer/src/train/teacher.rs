//! The first phase of a run: the ReLU network is trained, or taken from a file.

use beaa_ir::Model;

use crate::config::Rounds;
use crate::distil::check_teacher::load_matching;
use crate::distil::ensemble::ensemble;
use crate::distil::objective::Objective;
use crate::error::Result;
use crate::model::network::Network;
use crate::model::weight_init::untrained_teacher;
use crate::session::Session;
use crate::train::checkpoint::{NetworkState, Subject};
use crate::train::completion::Completion;
use crate::train::events::Phase;
use crate::train::train_loop::{TrainingTask, train_network};

/// Trains the teacher from `resumed` on, or from new weights, and measures its accuracy. A teacher
/// that the configuration names is read from its file instead.
///
/// # Errors
/// As [`crate::Trainer::train`].
pub(crate) fn train_teacher(session: &mut Session<'_>, resumed: Option<NetworkState>) -> Result<Completion<Model>> {
    let config = &session.literal().teacher;
    let start = match (resumed, &config.model) {
        (Some(state), _) => state,
        (None, Some(path)) => {
            let others: String = config.also.iter().map(|path| format!(" and {}", path.display())).collect();
            session.note(format!("the teacher is {}{others}", path.display()));
            let others = config.also.iter();
            let models = std::iter::once(path).chain(others).map(|path| load_matching(path, &session.splits));
            let teacher = ensemble(models.collect::<Result<_>>()?)?;
            return Ok(Completion::Done(session.adopt_classes(teacher)?));
        }
        (None, None) => {
            let splits = &session.splits;
            let untrained = untrained_teacher(session.config, splits.input.clone(), &splits.classes)?;
            let mut literal = untrained.into_literal();
            literal.provenance = session.provenance(Phase::Teacher)?;
            NetworkState::untrained(literal.try_into()?)
        }
    };
    let task = TrainingTask {
        subject: Subject::Teacher,
        epochs: config.epochs,
        batch: config.batch,
        optimiser: config.optimiser.clone(),
        coefficient_factor: 1.0,
        train_polynomials: false,
        vertex_limits: Vec::new(),
        objective: Objective::Teacher { smoothing: config.label_smoothing, precision: session.literal().precision },
        fixed_norms: 0,
        rounds: Rounds::default(),
        pruner: None,
        quantise: None,
    };
    train_network(session, &task, start)?.and_then(|model| {
        let network = Network::new(&model, &session.device, false)?;
        let accuracy = session.answers(&network, &model)?.accuracy(model.classes());
        let mut literal = model.into_literal();
        literal.accuracy = Some(accuracy);
        Ok(Completion::Done(literal.try_into()?))
    })
}
