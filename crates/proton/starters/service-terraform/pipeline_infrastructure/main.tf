# Deployed after all instances; each has a name, inputs, outputs and an environment.
resource "aws_ssm_parameter" "instances" {
  for_each = { for instance in var.service_instances : instance.name => instance }
  name     = "/${var.service.name}/${each.key}"
  type     = "String"
  value    = jsonencode({ test = var.pipeline.inputs.test_command, outputs = each.value.outputs })
}
