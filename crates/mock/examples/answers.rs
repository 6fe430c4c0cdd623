use standin_core::*;
use standin_model::*;
use std::sync::Arc;
fn main() {
    let catalogue = Catalogue::shared();
    let synthesizer = standin_mock::synthesis::Synthesizer::new(catalogue);
    for argument in std::env::args().skip(1) {
        let mut parts = argument.splitn(3, ' ');
        let service = catalogue.newest(parts.next().unwrap()).unwrap().open().unwrap();
        let name = parts.next().unwrap();
        let operation = service.operation(name).unwrap_or_else(|| panic!("{name}"));
        let input =
            parts.next().map_or(Document::map(), |json| Document::from_json(&serde_json::from_str(json).unwrap()));
        let context = CallContext {
            request_id: "r".into(),
            ordinal: 1,
            service,
            operation,
            protocol: service.protocol(),
            partition: "aws",
            account: Arc::from("123456789012"),
            region: Arc::from("us-east-1"),
            access_key: None,
            base_url: Arc::from("http://localhost:4566"),
            now: Timestamp::from_seconds(1_790_000_000),
            origin: Timestamp::from_seconds(1_767_225_600),
            dice: Dice::new(0),
        };
        println!("### {argument}");
        if std::env::var("IN").is_ok() {
            let input = standin_mock::synthesis::example_input(
                service,
                operation,
                standin_mock::synthesis::Fill::All,
                &mut Draw::from_seed(1),
            );
            println!("{}", serde_json::to_string_pretty(&input.to_json()).unwrap());
        }
        let out = synthesizer.synthesize(&context, &input);
        println!("{}", serde_json::to_string_pretty(&out.to_json()).unwrap());
        if std::env::var("TIME").is_ok() {
            let start = std::time::Instant::now();
            for _ in 0..10000 {
                std::hint::black_box(synthesizer.synthesize(&context, &input));
            }
            println!("{:?} per call", start.elapsed() / 10000);
        }
    }
}
