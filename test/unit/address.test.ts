import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { authorityOf, isAddressRange, isHostName, judgeAddress, rangesOf } from '../../src/address.ts';

const judge = (text: string) =>
  judgeAddress(text, ({ address }) => (['10.96.0.1', 'fd00:96::1'].includes(address) ? 'is taken' : undefined));

describe('an address that can be an endpoint', () => {
  it.each([
    ['10.20.0.1', '10.20.0.1', 'IPv4'],
    ['8.8.8.8', '8.8.8.8', 'IPv4'],
    ['223.255.255.255', '223.255.255.255', 'IPv4'],
    ['240.10.0.5', '240.10.0.5', 'IPv4'],
    ['255.255.255.254', '255.255.255.254', 'IPv4'],
    ['::ffff:240.10.0.5', '240.10.0.5', 'IPv4'],
    ['64:ff9b::240.10.0.5', '64:ff9b::f00a:5', 'IPv6'],
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
    ['orders.example.com', 'not an IP address'],
    ['localhost', 'its address "localhost" is not an IP address'],
    ['127.1', 'not an IP address'],
    ['0x7f.0.0.1', 'not an IP address'],
    ['2130706433', 'not an IP address'],
    ['010.020.0.1', 'not an IP address'],
    ['10.20.0.256', 'not an IP address'],
    ['10.20.0.1:80', 'not an IP address'],
    ['10.20.0.1/32', 'not an IP address'],
    [' 10.20.0.1', 'not an IP address'],
    ['10.20.0.1\n', 'not an IP address'],
    ['[fd00::1]', 'not an IP address'],
    ['fd00::1::2', 'not an IP address'],
    ['fe80::1%eth0', 'its address "fe80::1%eth0" has a zone'],
    ['fd00::1%1', 'zone'],
    ['0.0.0.0', 'its address 0.0.0.0 is in 0.0.0.0/8 (this network)'],
    ['0.1.2.3', 'its address 0.1.2.3 is in 0.0.0.0/8 (this network)'],
    ['127.0.0.1', 'its address 127.0.0.1 is in 127.0.0.0/8 (loopback)'],
    ['127.255.255.254', 'loopback'],
    ['169.254.169.254', 'is in 169.254.0.0/16 (link-local)'],
    ['224.0.0.1', 'is in 224.0.0.0/4 (multicast)'],
    ['239.255.255.255', 'multicast'],
    ['255.255.255.255', 'is in 255.255.255.255/32 (broadcast)'],
    ['::', 'its address :: is in ::/128 (unspecified)'],
    ['::1', 'is in ::1/128 (loopback)'],
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['fe80::1', 'is in fe80::/10 (link-local)'],
    ['febf::1', 'link-local'],
    ['ff02::1', 'is in ff00::/8 (multicast)'],
    ['::ffff:127.0.0.1', 'its address 127.0.0.1 is in 127.0.0.0/8 (loopback)'],
    ['::ffff:7f00:1', 'loopback'],
    ['::ffff:169.254.169.254', 'link-local'],
    ['::ffff:0.0.0.0', 'this network'],
    ['::10.20.0.1', 'is in ::/96 (IPv4-compatible, out of use)'],
    ['64:ff9b::127.0.0.1', 'its address 64:ff9b::7f00:1 leads to 127.0.0.1, which is in 127.0.0.0/8 (loopback)'],
    ['64:ff9b::', 'this network'],
    ['64:ff9b::a9fe:a9fe', 'link-local'],
    ['64:ff9b::10.96.0.1', 'leads to 10.96.0.1, which is taken'],
    ['100.100.100.200', 'credentials'],
    ['168.63.129.16', 'credentials'],
    ['192.0.0.192', 'credentials'],
    ['fd00:ec2::254', 'credentials'],
    ['FD00:0EC2:0::254', 'credentials'],
    ['fd20:ce::254', 'credentials'],
    ['::ffff:168.63.129.16', 'credentials'],
    ['10.96.0.1', 'its address 10.96.0.1 is taken'],
    ['::ffff:10.96.0.1', 'its address 10.96.0.1 is taken'],
    ['FD00:0096::0001', 'its address fd00:96::1 is taken'],
  ])('%j is refused: %s', (text, reason) => {
    expect(judge(text)).toEqual({ refused: expect.stringContaining(reason) });
  });
});

describe('a host name', () => {
  it.each([
    'vm-1',
    'VM-1.Example.com',
    'vm_1',
    '_sip._tcp.example.com',
    'example.com.',
    '3com.com',
    'a.b1',
    'x'.repeat(63),
  ])('can be %j', (text) => {
    expect(isHostName(text)).toBe(true);
  });

  it.each([
    '',
    '.',
    'a..b',
    '.a',
    '-a',
    'a-',
    'a b',
    'a/b',
    'a:80',
    '127.1',
    '10.20.0.256',
    '0x7f.0x1',
    '0x',
    '1',
    'x'.repeat(64),
    'größe.de',
    `${'a.'.repeat(130)}b`,
    'a\n',
  ])('cannot be %j', (text) => {
    expect(isHostName(text)).toBe(false);
  });
});

describe('a range of addresses', () => {
  it.each(['10.0.0.0/8', '0.0.0.0/0', '192.0.2.1/32', 'fd00::/8', '::/0', 'FD00::1/128'])('%j is one', (text) => {
    expect(isAddressRange(text)).toBe(true);
  });

  it.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0/8',
    'fd00::/129',
    'fe80::1%1/64',
    '/8',
    'a/8',
    '10.0.0.0/ 8',
    '',
  ])('%j is none', (text) => {
    expect(isAddressRange(text)).toBe(false);
  });

  it('has what is in it, of its own family', () => {
    const isIn = rangesOf(['10.20.0.0/16', '192.0.2.1/32', 'fd00:20::/32']);
    const tried = [
      ...(['10.20.0.1', '10.20.255.255', '10.21.0.0', '192.0.2.1', '192.0.2.2'] as const).map((address) => [
        address,
        isIn(address, 'IPv4'),
      ]),
      ...(['fd00:20::1', 'fd00:21::1', '::a14:1'] as const).map((address) => [address, isIn(address, 'IPv6')]),
    ];
    expect(tried.filter(([, found]) => found).map(([address]) => address)).toEqual([
      '10.20.0.1',
      '10.20.255.255',
      '192.0.2.1',
      'fd00:20::1',
    ]);
  });
});

it('one address has one form, whatever the notation it came in', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV6(), fc.ipV4()), (text) => {
      const judged = judgeAddress(text);
      if ('refused' in judged) return;
      expect(judgeAddress(judged.address)).toEqual(judged);
      expect(judgeAddress(text.toUpperCase())).toEqual(judged);
    }),
    { numRuns: 500 },
  );
});

it('any text is judged, and never throws', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.%[]') }));
  fc.assert(
    fc.property(text, (text) => {
      expect(Object.keys(judgeAddress(text)).sort().join()).toMatch(/^(refused|address,family)$/);
    }),
    { numRuns: 1000 },
  );
});

describe('a host and a port', () => {
  it.each([
    ['10.1.0.7', '10.1.0.7:8080'],
    ['vm-1.example', 'vm-1.example:8080'],
    ['fd00::7', '[fd00::7]:8080'],
    ['[fd00::7]', '[fd00::7]:8080'],
  ])('%s are %s in a URL', (host, authority) => {
    expect(authorityOf(host, 8080)).toBe(authority);
  });
});
