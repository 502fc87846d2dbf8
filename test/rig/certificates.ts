import { createPrivateKey, sign } from 'node:crypto';

/** Of an X.509 certificate in DER: SEQUENCE, UTCTime with seconds, BIT STRING. */
const TAG = { sequence: 0x30, utcTime: Buffer.from([0x17, 13]), bitString: 0x03 };
const LONG_AGO = ['200101000000Z', '210101000000Z'];

/**
 * The same certificate, valid until 2021: its two times are written over, and its CA signs it anew. Consul, which makes the
 * certificates of the tests, refuses to make one that has expired.
 * @param caKey of the CA, in PEM, for ECDSA with SHA-256
 */
export function expired(certificate: string, caKey: string): string {
  const [toBeSigned, algorithm] = partsOf(Buffer.from(certificate.replaceAll(/-----.*-----|\s/g, ''), 'base64'));
  if (!toBeSigned || !algorithm) throw new Error('read certificate: expected what is signed and how, found less');
  let at = 0;
  for (const time of LONG_AGO) {
    at = toBeSigned.indexOf(TAG.utcTime, at) + TAG.utcTime.length;
    at += toBeSigned.write(time, at, 'latin1');
  }
  const signature = sign('sha256', toBeSigned, createPrivateKey(caKey));
  const whole = element(
    TAG.sequence,
    Buffer.concat([toBeSigned, algorithm, element(TAG.bitString, Buffer.concat([Buffer.of(0), signature]))]),
  );
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** The elements of a sequence, each with its tag and length. */
function partsOf(sequence: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = headerOf(sequence, 0).header; at < sequence.length;) {
    const { header, length } = headerOf(sequence, at);
    parts.push(sequence.subarray(at, (at += header + length)));
  }
  return parts;
}

function headerOf(der: Buffer, at: number): { readonly header: number; readonly length: number } {
  const first = der.readUInt8(at + 1);
  if (first < 0x80) return { header: 2, length: first };
  const bytes = first - 0x80;
  return { header: 2 + bytes, length: der.readUIntBE(at + 2, bytes) };
}

function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}
