resource "terraform_data" "server" {
  input = {
    name    = "${var.service.name}-${var.service_instance.name}"
    size    = var.service_instance.inputs.size
    network = var.environment.outputs.NetworkId
    subnet  = split(",", var.environment.outputs.Subnets)[0]
  }
}

output "Server" {
  value = terraform_data.server.output.name
}

output "Size" {
  value = terraform_data.server.output.size
}

output "Place" {
  value = "${terraform_data.server.output.subnet} in ${var.environment.name}"
}
