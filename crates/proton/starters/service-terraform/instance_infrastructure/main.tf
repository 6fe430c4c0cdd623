# Inputs are var.service_instance.inputs; the outputs of the environment are var.environment.outputs.
resource "aws_sqs_queue" "this" {
  for_each = toset(var.service_instance.inputs.queue_names)
  name     = "${var.service.name}-${var.service_instance.name}-${each.value}"

  tags = merge(var.proton_tags, { Vpc = var.environment.outputs.VpcId })
}

output "QueueUrls" {
  value = join(",", [for queue in aws_sqs_queue.this : queue.url])
}
