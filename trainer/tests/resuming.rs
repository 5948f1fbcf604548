//! Runs that stop and go on: to the same bits, and only from what is theirs and whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use beaa_ir::save_model;
use beaa_trainer::{DeviceKind, Phase, Precision, TrainConfig, Trainer};

use kit::{config, data, done, folder, interrupt};

#[test]
fn an_interrupted_run_resumes_to_the_same_model() {
    let (whole, parts) = (folder("whole"), folder("parts"));
    let config = config(|_| ());
    let expected = done(&config, whole.path(), false);
    // 8 steps per epoch, 3 + 3 epochs: within the teacher, at the end of its last epoch, within the
    // student.
    assert_eq!(interrupt(&config, parts.path(), false, 11), (Phase::Teacher, 1, 3));
    assert_eq!(interrupt(&config, parts.path(), true, 13), (Phase::Teacher, 2, 8));
    assert_eq!(interrupt(&config, parts.path(), true, 10), (Phase::Student, 1, 2));
    let resumed = done(&config, parts.path(), true);
    assert_eq!((&resumed.teacher, &resumed.student), (&expected.teacher, &expected.student));
    // A finished run resumes to its end at once.
    assert_eq!(done(&config, parts.path(), true).student, expected.student);
    let left: Vec<_> = std::fs::read_dir(parts.path().join("checkpoints")).unwrap().collect();
    assert_eq!(left.len(), 1, "only the newest checkpoint is kept");
}

#[test]
fn the_other_device_trains_and_resumes_too() {
    let (whole, parts) = (folder("whole"), folder("parts"));
    let config = config(|c| {
        c.device = DeviceKind::Ndarray;
        (c.teacher.epochs, c.student.epochs) = (1, 1);
        c.data.train = Some(128);
    });
    let expected = done(&config, whole.path(), false);
    assert_eq!(interrupt(&config, parts.path(), false, 6), (Phase::Student, 0, 2));
    assert_eq!(done(&config, parts.path(), true).student, expected.student);
}

#[test]
fn a_training_in_bfloat16_learns_and_resumes_to_other_bits_than_in_single_precision() {
    let (whole, parts, single) = (folder("whole"), folder("parts"), folder("single"));
    let with = |precision| {
        config(|c| {
            c.precision = precision;
            c.augmentation.cutout = 2;
            c.augmentation.cutmix = 0.3;
            c.teacher.epochs = 6;
        })
    };
    let config = with(Precision::Bfloat16);
    let expected = done(&config, whole.path(), false);
    assert!(expected.teacher_accuracy.test.unwrap() > 0.9, "{:?}", expected.teacher_accuracy);
    assert!(expected.student_accuracy.test.unwrap() > 0.9, "{:?}", expected.student_accuracy);
    assert_eq!(interrupt(&config, parts.path(), false, 11), (Phase::Teacher, 1, 3));
    let resumed = done(&config, parts.path(), true);
    assert_eq!((&resumed.teacher, &resumed.student), (&expected.teacher, &expected.student));
    let other = done(&with(Precision::Single), single.path(), false);
    assert_ne!(other.teacher.layers(), expected.teacher.layers());
    // Of one teacher, students differ, too.
    let teacher = whole.path().join("the.safetensors");
    save_model(&expected.teacher, &teacher).unwrap();
    let student = |precision| {
        let run = folder("student");
        let config = self::config(|c| {
            c.precision = precision;
            c.teacher.model = Some(teacher.clone());
        });
        done(&config, run.path(), false).student.into_literal().layers
    };
    assert_ne!(student(Precision::Bfloat16), student(Precision::Single));
}

#[test]
fn resuming_with_other_settings_or_a_damaged_file_is_refused() {
    let run = folder("refused");
    interrupt(&config(|_| ()), run.path(), false, 2);
    let go = |config: &TrainConfig| match Trainer::new(config, &data(), run.path()).resume(true).train() {
        Err(e) => e.to_string(),
        Ok(o) => panic!("{o:?}"),
    };
    let message = go(&config(|c| c.student.epochs = 9));
    assert!(message.contains("student") && message.contains("the same settings"), "{message}");
    let message = go(&config(|c| c.data.train = Some(100)));
    assert!(message.contains("data"), "{message}");
    let optimiser = run.path().join("checkpoints/000001/optimiser.bpk");
    let mut bytes = std::fs::read(&optimiser).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&optimiser, bytes).unwrap();
    assert!(go(&config(|_| ())).contains("damaged optimiser.bpk"));
}

#[test]
fn a_run_of_a_version_with_fewer_settings_goes_on() {
    let run = folder("fewer");
    interrupt(&config(|_| ()), run.path(), false, 2);
    let path = run.path().join("checkpoints/000001/state.json");
    let mut state: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let student = state["config"]["student"].as_object_mut().unwrap();
    assert!(
        ["peak_penalty", "range_width", "fixed_norms", "repeat_after"].iter().all(|s| student.remove(*s).is_some())
    );
    // Of a time without checksums of states.
    state["format"] = 1.into();
    state.as_object_mut().unwrap().remove("checksum");
    std::fs::write(&path, state.to_string()).unwrap();
    let other = Trainer::new(&config(|c| c.student.range_width = 5.0), &data(), run.path()).resume(true).train();
    assert!(other.unwrap_err().to_string().contains("student"));
    done(&config(|_| ()), run.path(), true);
}

/// A run that goes on in a later round has to work out what the other one knows.
#[test]
fn what_the_teacher_said_of_batches_that_come_again_is_what_it_would_say() {
    let with = |repeat_after: usize, feature_matching: f32| {
        config(|c| {
            c.student.epochs = 5;
            c.student.repeat_after = repeat_after;
            c.student.feature_matching = feature_matching;
            c.augmentation.cutmix = 0.5;
        })
    };
    let student = |config: &TrainConfig| done(config, folder("once").path(), false).student;
    for feature_matching in [0.0, 0.1] {
        let (config, parts) = (with(2, feature_matching), folder("parts"));
        let expected = student(&config);
        // Three epochs of the teacher, eight steps each; then within the third and the last one.
        assert_eq!(interrupt(&config, parts.path(), false, 24 + 16 + 3), (Phase::Student, 2, 3));
        assert_eq!(interrupt(&config, parts.path(), true, 16), (Phase::Student, 4, 3));
        assert_eq!(done(&config, parts.path(), true).student.layers(), expected.layers());
        assert_ne!(student(&with(3, feature_matching)).layers(), expected.layers());
        assert_eq!(student(&with(5, feature_matching)).layers(), student(&with(0, feature_matching)).layers());
    }
}

/// A checkpoint's models are files, which anybody may have changed.
#[test]
fn a_checkpoint_of_another_network_is_refused() {
    let run = folder("foreign");
    interrupt(&config(|_| ()), run.path(), false, 2);
    let path = run.path().join("checkpoints/000001/teacher.safetensors");
    let mut literal = beaa_ir::load_model(&path).unwrap().into_literal();
    literal.layers.clear();
    literal.classes.clear();
    beaa_ir::save_model(&literal.try_into().unwrap(), &path).unwrap();
    let message = match Trainer::new(&config(|_| ()), &data(), run.path()).resume(true).train() {
        Err(e) => e.to_string(),
        Ok(o) => panic!("{o:?}"),
    };
    for part in ["resuming from", "a teacher with", "expected those of the data set", "without resuming"] {
        assert!(message.contains(part), "{message}");
    }
}
