import { X509Certificate } from 'node:crypto';

/** When the first of the certificates in a PEM text ends, as of one with its chain; undefined where none can be read. */
export function firstEnd(pem: string): Date | undefined {
  return endsIn(pem)[0];
}

/** When the last of them ends, as of CAs, of which one is enough; undefined where none can be read. */
export function lastEnd(pem: string): Date | undefined {
  return endsIn(pem).at(-1);
}

/** By what the certificates are for; without those whose end is not known. */
export function knownEnds<Use extends string>(
  ends: readonly (readonly [use: Use, end: Date | undefined])[],
): ReadonlyMap<Use, Date> {
  return new Map(ends.flatMap(([use, end]) => (end ? [[use, end]] : [])));
}

/** The earliest first. */
function endsIn(pem: string): Date[] {
  const certificates = pem.match(/-----BEGIN ([A-Z0-9 ]*CERTIFICATE)-----[^-]*-----END \1-----/g) ?? [];
  return certificates.flatMap(endOf).sort((a, b) => a.getTime() - b.getTime());
}

function endOf(certificate: string): Date[] {
  try {
    const end = new Date(new X509Certificate(certificate).validTo);
    return Number.isNaN(end.getTime()) ? [] : [end];
  } catch {
    // Whoever connects with it is told why it cannot be used.
    return [];
  }
}
