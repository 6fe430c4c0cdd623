# Jinja means nothing here: {{ environment.inputs.name }}
output "name" {
  value = "${var.environment.name}-${var.environment.inputs.count}"
}
