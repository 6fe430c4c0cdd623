output "NetworkId" {
  value = terraform_data.network.id
}

output "Cidr" {
  value = terraform_data.network.output.cidr
}

output "Subnets" {
  value = join(",", terraform_data.subnet[*].output)
}

# Stays in the state: outputs of Proton are text that everybody sees who may see the environment.
output "Key" {
  value     = sha256(terraform_data.network.id)
  sensitive = true
}
