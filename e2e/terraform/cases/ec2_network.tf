resource "aws_vpc" "birds" {
  cidr_block           = "10.1.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = var.edited
  tags                 = { Name = "birds" }
}

resource "aws_subnet" "a" {
  vpc_id                  = aws_vpc.birds.id
  cidr_block              = "10.1.1.0/24"
  availability_zone       = "us-east-1a"
  map_public_ip_on_launch = var.edited
  tags                    = { Name = "a" }
}

resource "aws_internet_gateway" "out" {
  vpc_id = aws_vpc.birds.id
  tags   = { Name = var.edited ? "out-2" : "out" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.birds.id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.out.id
  }

  tags = { Name = var.edited ? "open" : "public" }
}

resource "aws_route_table_association" "a" {
  subnet_id      = aws_subnet.a.id
  route_table_id = aws_route_table.public.id
}

resource "aws_security_group" "web" {
  name        = "web"
  description = "Web"
  vpc_id      = aws_vpc.birds.id

  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = var.edited ? ["10.0.0.0/8"] : ["10.1.0.0/16"]
  }

  tags = { team = "birds" }
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.web.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_network_acl" "a" {
  vpc_id = aws_vpc.birds.id

  ingress {
    protocol   = "tcp"
    rule_no    = 100
    action     = var.edited ? "deny" : "allow"
    cidr_block = "10.3.0.0/18"
    from_port  = 80
    to_port    = 80
  }
}
