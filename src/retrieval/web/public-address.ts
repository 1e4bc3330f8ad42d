/**
 * Is an IP address one of the public internet? Everything that leads inward is refused: loopback, private, link-local (with the metadata services of
 * clouds at 169.254.169.254 and fd00:ec2::254), shared, reserved, multicast; also where an IPv4 address hides inside an IPv6 one.
 * Source: IANA's special-purpose address registries (RFC 6890), RFC 4291, RFC 6052.
 */
import { BlockList, isIP } from "node:net";

const V4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  // A public range, but the address through which every Azure machine reaches its host.
  ["168.63.129.16", 32],
];

/** 2000::/3 is all that is given out; these parts of it are not for the public or carry an IPv4 address (Teredo, 6to4). */
const V6_WITHIN_PUBLIC: readonly (readonly [string, number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const refused4 = new BlockList();
for (const [net, bits] of V4) refused4.addSubnet(net, bits, "ipv4");
const public6 = new BlockList();
public6.addSubnet("2000::", 3, "ipv6");
const refused6 = new BlockList();
for (const [net, bits] of V6_WITHIN_PUBLIC) refused6.addSubnet(net, bits, "ipv6");

/** @param address without brackets; anything that is not an address is not public */
export function isPublicAddress(address: string): boolean {
  // A zone (`fe80::1%eth0`) names a link of this machine.
  switch (address.includes("%") ? 0 : isIP(address)) {
    case 4:
      return !refused4.check(address, "ipv4");
    case 6:
      // ::ffff:a.b.c.d, ::a.b.c.d and 64:ff9b:: lie outside 2000::/3, so they are refused whatever they hold.
      return public6.check(address, "ipv6") && !refused6.check(address, "ipv6");
    default:
      return false;
  }
}
