//! Writes the types of Proton's operations.

fn main() {
    // Required by the model, but absent until something has succeeded: the real service left it out, too.
    standin_typed::generate::Types::of("proton").absent_at_first(&["lastDeploymentSucceededAt"]).write();
}
