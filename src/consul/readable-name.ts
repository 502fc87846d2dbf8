/**
 * False for the names `.` and `..`, which Consul lets anybody register: its router takes a path with them for another path,
 * however they are encoded, and answers 307 (seen on 1.22.0). Nobody can ask for such a service.
 */
export function isReadableName(name: string): boolean {
  return name !== '.' && name !== '..';
}
