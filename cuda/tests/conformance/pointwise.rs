//! Squares, constants, dropped limbs, and the way to the device and back.

use beaa_ckks::pointwise::{InputBatch, Op, Operand, run};
use beaa_cuda::{Ring, operations};

use crate::kit::{DEGREES, device, devices, every_width, parameters, random, same, upload};

#[test]
fn squares_and_constants_are_those_of_the_engine_at_every_degree_and_width() {
    for degree in DEGREES {
        let p = every_width(degree);
        let limbs = p.max_limbs();
        let batch = random(&p, limbs, 2, 2, degree as u64);
        let input = [InputBatch::Stored(&batch)];
        let squares = run(&p, limbs, &input, &[Op::Square(Operand::Input(0))]).unwrap().batch;
        let scaled = |factor| run(&p, limbs, &input, &[Op::Scale(Operand::Input(0), factor)]).unwrap().batch;
        let device = device(degree.ilog2() as usize);
        let ring = Ring::new(&device, &p).unwrap();
        let value = upload(&ring, &batch);
        same(&ring, &operations::square(&ring, &value, limbs).unwrap(), &squares, "squares");
        for factor in [1, 3, u64::MAX] {
            let found = operations::scale(&ring, &value, limbs, factor).unwrap();
            same(&ring, &found, &scaled(factor), "products with a constant");
        }
    }
}

#[test]
fn the_way_to_the_device_and_back_changes_nothing() {
    for degree in DEGREES {
        let p = parameters(degree, &[50, 30], &[]);
        for (components, len) in [(2, 1), (3, 5)] {
            let batch = random(&p, 2, components, len, 1);
            for device in devices() {
                let ring = Ring::new(&device, &p).unwrap();
                let value = upload(&ring, &batch);
                same(&ring, &value, &batch, "there and back");
                same(&ring, &value.first_limbs(1), &batch.first_limbs(1).unwrap(), "one limb");
            }
        }
    }
}

#[test]
fn operations_on_fewer_limbs_read_the_first_ones() {
    let p = parameters(2048, &[50, 40, 30], &[]);
    let batch = random(&p, 3, 2, 3, 1);
    let input = [InputBatch::Stored(&batch)];
    let expected = run(&p, 2, &input, &[Op::Square(Operand::Input(0))]).unwrap().batch;
    let device = device(1);
    let ring = Ring::new(&device, &p).unwrap();
    let value = upload(&ring, &batch).first_limbs(2);
    same(&ring, &operations::square(&ring, &value, 2).unwrap(), &expected, "squares of two of three limbs");
}
