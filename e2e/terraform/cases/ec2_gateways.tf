# seconds: 120
resource "aws_vpc" "gateways" {
  cidr_block = "10.2.0.0/16"
}

resource "aws_subnet" "gateways" {
  vpc_id     = aws_vpc.gateways.id
  cidr_block = "10.2.1.0/24"
}

resource "aws_internet_gateway" "gateways" {
  vpc_id = aws_vpc.gateways.id
}

resource "aws_eip" "nat" {
  domain     = "vpc"
  tags       = { Name = var.edited ? "nat-2" : "nat" }
  depends_on = [aws_internet_gateway.gateways]
}

resource "aws_nat_gateway" "nat" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.gateways.id
  tags          = { Name = var.edited ? "nat-2" : "nat" }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id       = aws_vpc.gateways.id
  service_name = "com.amazonaws.us-east-1.s3"
  tags         = { Name = var.edited ? "s3-2" : "s3" }
}

resource "aws_vpc_dhcp_options" "names" {
  domain_name         = "birds.local"
  domain_name_servers = ["AmazonProvidedDNS"]
  tags                = { Name = var.edited ? "names-2" : "names" }
}

resource "aws_customer_gateway" "office" {
  bgp_asn    = 65000
  ip_address = "203.0.113.5"
  type       = "ipsec.1"
  tags       = { Name = var.edited ? "office-2" : "office" }
}

resource "aws_ec2_transit_gateway" "hub" {
  description = var.edited ? "All birds" : "Birds"
  tags        = { Name = "hub" }
}
