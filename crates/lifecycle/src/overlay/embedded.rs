//! The overlays that are built in.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Overlay;

/// One entry per file of `overlays/`; a test compares.
pub(super) const FILES: &[(&str, &str)] = &[
    ("acm", include_str!("../../overlays/acm.toml")),
    ("acm-pca", include_str!("../../overlays/acm-pca.toml")),
    ("application-autoscaling", include_str!("../../overlays/application-autoscaling.toml")),
    ("apprunner", include_str!("../../overlays/apprunner.toml")),
    ("appsync", include_str!("../../overlays/appsync.toml")),
    ("autoscaling", include_str!("../../overlays/autoscaling.toml")),
    ("backup", include_str!("../../overlays/backup.toml")),
    ("bedrock-agent", include_str!("../../overlays/bedrock-agent.toml")),
    ("bedrock-data-automation-runtime", include_str!("../../overlays/bedrock-data-automation-runtime.toml")),
    ("budgets", include_str!("../../overlays/budgets.toml")),
    ("cloud9", include_str!("../../overlays/cloud9.toml")),
    ("cloudhsmv2", include_str!("../../overlays/cloudhsmv2.toml")),
    ("cloudwatch", include_str!("../../overlays/cloudwatch.toml")),
    ("codeartifact", include_str!("../../overlays/codeartifact.toml")),
    ("codecommit", include_str!("../../overlays/codecommit.toml")),
    ("codedeploy", include_str!("../../overlays/codedeploy.toml")),
    ("connect", include_str!("../../overlays/connect.toml")),
    ("datasync", include_str!("../../overlays/datasync.toml")),
    ("datazone", include_str!("../../overlays/datazone.toml")),
    ("dax", include_str!("../../overlays/dax.toml")),
    ("detective", include_str!("../../overlays/detective.toml")),
    ("devicefarm", include_str!("../../overlays/devicefarm.toml")),
    ("devops-guru", include_str!("../../overlays/devops-guru.toml")),
    ("directconnect", include_str!("../../overlays/directconnect.toml")),
    ("dms", include_str!("../../overlays/dms.toml")),
    ("docdb", include_str!("../../overlays/docdb.toml")),
    ("ec2", include_str!("../../overlays/ec2.toml")),
    ("ecs", include_str!("../../overlays/ecs.toml")),
    ("elasticache", include_str!("../../overlays/elasticache.toml")),
    ("elb", include_str!("../../overlays/elb.toml")),
    ("elbv2", include_str!("../../overlays/elbv2.toml")),
    ("emr-containers", include_str!("../../overlays/emr-containers.toml")),
    ("events", include_str!("../../overlays/events.toml")),
    ("firehose", include_str!("../../overlays/firehose.toml")),
    ("fms", include_str!("../../overlays/fms.toml")),
    ("gamelift", include_str!("../../overlays/gamelift.toml")),
    ("gameliftstreams", include_str!("../../overlays/gameliftstreams.toml")),
    ("globalaccelerator", include_str!("../../overlays/globalaccelerator.toml")),
    ("glue", include_str!("../../overlays/glue.toml")),
    ("guardduty", include_str!("../../overlays/guardduty.toml")),
    ("iot", include_str!("../../overlays/iot.toml")),
    ("ivs", include_str!("../../overlays/ivs.toml")),
    ("ivs-realtime", include_str!("../../overlays/ivs-realtime.toml")),
    ("kafka", include_str!("../../overlays/kafka.toml")),
    ("kinesis", include_str!("../../overlays/kinesis.toml")),
    ("kms", include_str!("../../overlays/kms.toml")),
    ("lakeformation", include_str!("../../overlays/lakeformation.toml")),
    ("lambda", include_str!("../../overlays/lambda.toml")),
    ("lex-models", include_str!("../../overlays/lex-models.toml")),
    ("lexv2-models", include_str!("../../overlays/lexv2-models.toml")),
    ("license-manager", include_str!("../../overlays/license-manager.toml")),
    ("lookoutvision", include_str!("../../overlays/lookoutvision.toml")),
    ("macie2", include_str!("../../overlays/macie2.toml")),
    ("managedblockchain", include_str!("../../overlays/managedblockchain.toml")),
    ("memorydb", include_str!("../../overlays/memorydb.toml")),
    ("neptune", include_str!("../../overlays/neptune.toml")),
    ("network-firewall", include_str!("../../overlays/network-firewall.toml")),
    ("networkmanager", include_str!("../../overlays/networkmanager.toml")),
    ("observabilityadmin", include_str!("../../overlays/observabilityadmin.toml")),
    ("omics", include_str!("../../overlays/omics.toml")),
    ("panorama", include_str!("../../overlays/panorama.toml")),
    ("partnercentral-channel", include_str!("../../overlays/partnercentral-channel.toml")),
    ("pi", include_str!("../../overlays/pi.toml")),
    ("pinpoint", include_str!("../../overlays/pinpoint.toml")),
    ("proton", include_str!("../../overlays/proton.toml")),
    ("quicksight", include_str!("../../overlays/quicksight.toml")),
    ("rds", include_str!("../../overlays/rds.toml")),
    ("redshift", include_str!("../../overlays/redshift.toml")),
    ("resource-groups", include_str!("../../overlays/resource-groups.toml")),
    ("route53", include_str!("../../overlays/route53.toml")),
    ("route53-recovery-readiness", include_str!("../../overlays/route53-recovery-readiness.toml")),
    ("route53resolver", include_str!("../../overlays/route53resolver.toml")),
    ("s3control", include_str!("../../overlays/s3control.toml")),
    ("sagemaker", include_str!("../../overlays/sagemaker.toml")),
    ("scheduler", include_str!("../../overlays/scheduler.toml")),
    ("securityhub", include_str!("../../overlays/securityhub.toml")),
    ("ses", include_str!("../../overlays/ses.toml")),
    ("sesv2", include_str!("../../overlays/sesv2.toml")),
    ("signin", include_str!("../../overlays/signin.toml")),
    ("sms", include_str!("../../overlays/sms.toml")),
    ("sns", include_str!("../../overlays/sns.toml")),
    ("socialmessaging", include_str!("../../overlays/socialmessaging.toml")),
    ("sqs", include_str!("../../overlays/sqs.toml")),
    ("ssm", include_str!("../../overlays/ssm.toml")),
    ("translate", include_str!("../../overlays/translate.toml")),
    ("workspaces", include_str!("../../overlays/workspaces.toml")),
    ("xray", include_str!("../../overlays/xray.toml")),
];

/// The overlay of a service, if it has one.
pub(crate) fn embedded(service: &str) -> &'static [Overlay] {
    static PARSED: LazyLock<HashMap<&str, Vec<Overlay>>> = LazyLock::new(|| {
        let parsed = FILES.iter().map(|(service, text)| {
            let file = format!("overlays/{service}.toml");
            let mut overlay = Overlay::parse(&file, text).expect("a test parses every built-in overlay");
            overlay.lenient = true;
            (*service, vec![overlay])
        });
        parsed.collect()
    });
    PARSED.get(service).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use standin_model::Catalogue;

    use super::*;
    use crate::infer_with;

    #[test]
    fn every_file_is_built_in_and_fits_its_service() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("overlays");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .expect("the folder is there")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        let known: BTreeSet<String> = FILES.iter().map(|(service, _)| format!("{service}.toml")).collect();
        assert_eq!(
            files, known,
            "crates/lifecycle/src/overlay/embedded.rs lists the files of crates/lifecycle/overlays"
        );
        for (id, text) in FILES {
            let overlay = Overlay::parse(id, text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(overlay.service(), *id);
            let entry = Catalogue::shared().newest(id).expect("an overlay is named after a service");
            let service = entry.open().expect("opens");
            infer_with(service, &[overlay]).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}
