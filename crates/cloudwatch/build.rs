//! Writes the types of the operations that are answered here.

use standin_typed::generate::Types;

fn main() {
    Types::of("logs")
        .only(&[
            "CreateLogStream",
            "DeleteLogStream",
            "DescribeLogStreams",
            "FilterLogEvents",
            "GetLogEvents",
            "PutLogEvents",
            "StartLiveTail",
        ])
        .write_as("logs.rs");
    Types::of("cloudwatch")
        .only(&["GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData"])
        .write_as("metrics.rs");
}
