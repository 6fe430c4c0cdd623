# seconds: 150
resource "aws_key_pair" "heron" {
  key_name   = "heron"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG0xLrVlJ9nYH0yqgkq2qYwqvJ9k8mW3vYx2N1p4zY0b heron@example.com"
  tags       = { team = var.edited ? "herons" : "birds" }
}

resource "aws_launch_template" "heron" {
  name          = "heron"
  description   = var.edited ? "Second" : "First"
  image_id      = "ami-0123456789abcdef0"
  instance_type = var.edited ? "t3.small" : "t3.micro"
  key_name      = aws_key_pair.heron.key_name

  tag_specifications {
    resource_type = "instance"
    tags          = { team = "birds" }
  }
}

resource "aws_ebs_volume" "data" {
  availability_zone = "us-east-1a"
  size              = var.edited ? 20 : 10
  type              = "gp3"
  tags              = { team = "birds" }
}

resource "aws_ebs_snapshot" "data" {
  volume_id   = aws_ebs_volume.data.id
  description = "Data"
  tags        = { team = var.edited ? "herons" : "birds" }
}

resource "aws_placement_group" "near" {
  name     = "near"
  strategy = "cluster"
  tags     = { team = var.edited ? "herons" : "birds" }
}

resource "aws_vpc" "compute" {
  cidr_block = "10.4.0.0/16"
}

resource "aws_subnet" "compute" {
  vpc_id     = aws_vpc.compute.id
  cidr_block = "10.4.1.0/24"
}

resource "aws_network_interface" "compute" {
  subnet_id   = aws_subnet.compute.id
  description = var.edited ? "Second" : "First"
  private_ips = ["10.4.1.10"]
}

resource "aws_instance" "heron" {
  ami           = "ami-0123456789abcdef0"
  instance_type = "t3.micro"
  subnet_id     = aws_subnet.compute.id
  tags          = { Name = var.edited ? "heron-2" : "heron" }
}
