//! The second phase of a run: a student is made from the trained teacher, trained, and measured.

use beaa_ir::{Accuracy, Model};

use crate::compress::masks::Pruner;
use crate::distil::activation_stats::{PolynomialSample, sample_polynomials, set_ranges, with_ranges};
use crate::distil::check_teacher::{load_start, other_activations};
use crate::distil::objective::{Distillation, Objective};
use crate::distil::quadratic_fit::LayerStatistics;
use crate::distil::student::{continue_student, has_relu, replace_activations, vertex_limit};
use crate::error::Result;
use crate::model::network::Network;
use crate::session::Session;
use crate::train::checkpoint::{NetworkState, Subject};
use crate::train::completion::Completion;
use crate::train::evaluate::Answers;
use crate::train::events::Phase;
use crate::train::train_loop::{TrainingTask, train_network};

/// Elements of each activation layer whose polynomial is sampled for a report.
const SAMPLES_PER_LAYER: usize = 4;

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The ReLU network.
    pub teacher: Model,
    /// The network without ReLU.
    pub student: Model,
    /// A few learnt polynomials beside their inputs.
    pub polynomials: Vec<PolynomialSample>,
    /// Accuracy of the teacher on the images of this run.
    pub teacher_accuracy: Accuracy,
    /// Accuracy of the student.
    pub student_accuracy: Accuracy,
    /// What the teacher's accuracy is counted from.
    pub teacher_answers: Answers,
    /// What the student's accuracy is counted from.
    pub student_answers: Answers,
    /// Seconds by the clock, interruptions not counted.
    pub seconds: f64,
}

/// A student in training, and what it learns from.
pub(crate) struct StudentState {
    pub(crate) teacher: Box<Model>,
    /// What the teacher's activations saw, layer by layer.
    pub(crate) statistics: Vec<LayerStatistics>,
    pub(crate) network: NetworkState,
}

/// Makes the untrained student of the trained `teacher` and saves it as a checkpoint.
///
/// # Errors
/// As [`crate::Trainer::train`].
pub(crate) fn begin_student(session: &Session<'_>, teacher: Model) -> Result<StudentState> {
    let literal = session.literal();
    let name = format!("{}-student", literal.name);
    let images = &session.splits.train;
    let (start, teacher) = match &literal.student.start {
        Some(path) => {
            let trained = load_start(path, &teacher, &session.splits, literal.student.compares_activations())?;
            let start = if has_relu(&trained) {
                replace_activations(&trained, name, &literal.student, images, &session.device)?
            } else {
                continue_student(trained, name, images, &session.device)?
            };
            (start, teacher)
        }
        None => {
            let start = replace_activations(&teacher, name, &literal.student, images, &session.device)?;
            let ranges: Vec<_> = start.statistics.iter().map(|s| s.range).collect();
            (start, set_ranges(teacher, &ranges)?)
        }
    };
    let mut student = start.student.into_literal();
    student.provenance = session.provenance(Phase::Student)?;
    let network = NetworkState::untrained(student.try_into()?);
    let teacher = Box::new(teacher);
    let subject = Subject::Student { teacher: teacher.clone(), statistics: start.statistics.clone() };
    session.save(&subject, &network)?;
    Ok(StudentState { teacher, statistics: start.statistics, network })
}

/// Trains a student to its end and measures it.
///
/// # Errors
/// As [`crate::Trainer::train`].
pub(crate) fn train_student(session: &mut Session<'_>, state: StudentState) -> Result<Completion<Trained>> {
    let StudentState { teacher, statistics, network } = state;
    let config = &session.literal().student;
    let learns = config.activation.learns();
    let bounded = learns && config.vertex_bound > 0.0;
    let vertex_limits = if bounded { statistics.iter().map(|s| vertex_limit(config, s)).collect() } else { Vec::new() };
    let pruner = |prune| Pruner::new(prune, &network.model, &session.splits.train, &session.device);
    let task = TrainingTask {
        epochs: config.epochs,
        batch: config.batch,
        optimiser: config.optimiser.clone(),
        coefficient_factor: config.coefficient_factor,
        train_polynomials: learns,
        vertex_limits,
        fixed_norms: config.fixed_norms,
        rounds: config.rounds(),
        pruner: config.prune.as_ref().map(pruner).transpose()?,
        quantise: config.quantise.clone(),
        objective: Objective::Student(Box::new(Distillation {
            teacher: Network::new(&teacher, &session.device, false)?,
            config: config.clone(),
            precision: session.literal().precision,
            statistics: statistics.clone(),
        })),
        subject: Subject::Student { teacher: teacher.clone(), statistics },
    };
    train_network(session, &task, network)?.and_then(|student| finish(session, *teacher, student).map(Completion::Done))
}

/// Measures both networks, and writes ranges and accuracy into the student.
fn finish(session: &mut Session<'_>, teacher: Model, student: Model) -> Result<Trained> {
    let (device, images) = (&session.device, &session.splits.train);
    let network = Network::new(&student, device, false)?;
    let (student, largest) = with_ranges(student, &network, images, device)?;
    let each: Vec<String> = largest.iter().map(|r| format!("{} {:.1}", r.layer, r.deviations)).collect();
    if !each.is_empty() {
        session.note(format!("largest inputs of activations, in their root mean squares: {}", each.join(", ")));
    }
    let (device, images) = (&session.device, &session.splits.train);
    let student_answers = session.answers(&network, &student)?;
    let student_accuracy = student_answers.accuracy(student.classes());
    let mut literal = student.into_literal();
    literal.accuracy = Some(student_accuracy);
    let student: Model = literal.try_into()?;
    let of_teacher = Network::new(&teacher, device, false)?;
    // A teacher of other layers has no inputs to show beside the quadratics: the student's stand
    // for them, as they did at its start.
    let (sampled, of_sampled) =
        if other_activations(&student, &teacher).is_none() { (&teacher, &of_teacher) } else { (&student, &network) };
    let polynomials = sample_polynomials(&student, sampled, of_sampled, images, device, SAMPLES_PER_LAYER)?;
    let teacher_answers = session.answers(&of_teacher, &teacher)?;
    Ok(Trained {
        polynomials,
        teacher_accuracy: teacher_answers.accuracy(teacher.classes()),
        student_accuracy,
        teacher_answers,
        student_answers,
        teacher,
        student,
        seconds: session.seconds(),
    })
}
