import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { judgeAddress } from '../../src/address.ts';

const judge = (text: string) => judgeAddress(text, (address) => address === '10.96.0.1' || address === 'fd00:96::1');

describe('an address that can be an endpoint', () => {
  it.each([
    ['10.20.0.1', '10.20.0.1', 'IPv4'],
    ['8.8.8.8', '8.8.8.8', 'IPv4'],
    ['223.255.255.255', '223.255.255.255', 'IPv4'],
    ['fd00::1', 'fd00::1', 'IPv6'],
    ['FD00::1', 'fd00::1', 'IPv6'],
    ['fd00:0:0:0:0:0:0:1', 'fd00::1', 'IPv6'],
    ['fd00:0000:0000:0000:0000:0000:0000:0001', 'fd00::1', 'IPv6'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1', 'IPv6'],
    ['fd00::10.20.0.1', 'fd00::a14:1', 'IPv6'],
    ['64:ff9b::10.20.0.1', '64:ff9b::a14:1', 'IPv6'],
    ['::ffff:10.20.0.1', '10.20.0.1', 'IPv4'],
    ['::FFFF:0a14:0001', '10.20.0.1', 'IPv4'],
    ['0:0:0:0:0:ffff:8.8.8.8', '8.8.8.8', 'IPv4'],
  ])('%s is %s', (text, address, family) => {
    expect(judge(text)).toEqual({ address, family });
  });
});

describe('an address that cannot', () => {
  it.each([
    ['', 'it has no address'],
    ['orders.example.com', 'host name'],
    ['localhost', 'host name'],
    ['127.1', 'host name'],
    ['0x7f.0.0.1', 'host name'],
    ['2130706433', 'host name'],
    ['010.020.0.1', 'host name'],
    ['10.20.0.256', 'host name'],
    ['10.20.0.1:80', 'host name'],
    ['10.20.0.1/32', 'host name'],
    [' 10.20.0.1', 'host name'],
    ['10.20.0.1\n', 'host name'],
    ['[fd00::1]', 'host name'],
    ['fd00::1::2', 'host name'],
    ['fe80::1%eth0', 'zone'],
    ['fd00::1%1', 'zone'],
    ['0.0.0.0', 'loopback'],
    ['0.1.2.3', 'loopback'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['::', 'loopback'],
    ['::1', 'loopback'],
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['fe80::1', 'link-local'],
    ['febf::1', 'link-local'],
    ['ff02::1', 'multicast'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::ffff:169.254.169.254', 'link-local'],
    ['::ffff:0.0.0.0', 'loopback'],
    ['10.96.0.1', 'belongs to a Kubernetes Service or to the API server'],
    ['::ffff:10.96.0.1', 'belongs to a Kubernetes Service or to the API server'],
    ['FD00:0096::0001', 'belongs to a Kubernetes Service or to the API server'],
  ])('%j is refused: %s', (text, reason) => {
    expect(judge(text)).toEqual({ refused: expect.stringContaining(reason) });
  });
});

const never = () => false;

it('one address has one form, whatever the notation it came in', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV6(), fc.ipV4()), (text) => {
      const judged = judgeAddress(text, never);
      if ('refused' in judged) return;
      expect(judgeAddress(judged.address, never)).toEqual(judged);
      expect(judgeAddress(text.toUpperCase(), never)).toEqual(judged);
    }),
    { numRuns: 500 },
  );
});

it('any text is judged, and never throws', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.%[]') }));
  fc.assert(
    fc.property(text, (text) => {
      expect(Object.keys(judgeAddress(text, never)).sort().join()).toMatch(/^(refused|address,family)$/);
    }),
    { numRuns: 1000 },
  );
});
