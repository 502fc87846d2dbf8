import { isIPv4, isIPv6 } from 'node:net';
import { canonicalAddress, judgeAddress } from '../../address.ts';
import type { Pod } from '../../kubernetes/objects.ts';
import { quote, type Rejection } from '../registration/rejection.ts';

/** Which address of a pod is registered. */
export interface PodAddressConfig {
  readonly addressFamily: 'pod' | 'IPv4' | 'IPv6';
  readonly hostNetwork: boolean;
}

/** The address to register, or what is wrong with those that there are. */
export function addressOf(pod: Pod, { addressFamily, hostNetwork }: PodAddressConfig): string | Rejection {
  if (pod.hostNetwork && !hostNetwork) {
    const message =
      'pods with hostNetwork have no IP of their own and are not registered unless toConsul.hostNetwork is on';
    return { reason: 'HostNetwork', message };
  }
  const isWanted = { pod: () => true, IPv4: isIPv4, IPv6: isIPv6 }[addressFamily];
  const found = pod.podIPs.find((ip) => isWanted(ip));
  const invalid = (message: string): Rejection => ({ reason: 'InvalidAddress', message });
  if (found === undefined)
    return invalid(`expected an ${addressFamily} address (toConsul.addressFamily), found ${pod.podIPs.join(', ')}`);
  const judged = judgeAddress(found);
  return 'refused' in judged ? invalid(`pod IP ${quote(found)}: ${judged.refused}`) : judged.address;
}

const ONE_FAMILY: ReadonlyMap<string, string> = new Map();

/** The first usable address of each family, if the pod has both: Consul's DNS answers AAAA with the one, A with the other. */
export function addressesOfBoth({ podIPs }: Pod): ReadonlyMap<string, string> {
  if (podIPs.length < 2) return ONE_FAMILY;
  const usable = podIPs.map((ip) => judgeAddress(ip)).filter((judged) => 'address' in judged);
  const ipv4 = usable.find(({ family }) => family === 'IPv4');
  const ipv6 = usable.find(({ family }) => family === 'IPv6');
  if (!ipv4 || !ipv6) return ONE_FAMILY;
  return new Map([
    ['lan_ipv4', ipv4.address],
    ['lan_ipv6', ipv6.address],
  ]);
}

/** Whether a call to that address reaches the pod. */
export function isAddressOf({ podIPs, hostIP, hostNetwork }: Pod, address: string): boolean {
  const own = hostNetwork ? [hostIP, ...podIPs] : podIPs;
  return own.some((ip) => canonicalAddress(ip) === canonicalAddress(address));
}
