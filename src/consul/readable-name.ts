/** What Consul takes in a path: everything that has a shape, and plain blanks. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u;

/**
 * Why nobody can ask Consul for a service of that name, which it lets anybody register; undefined for any other name (seen on 1.22.0):
 *
 * | the name                                                             | Consul answers            |
 * |----------------------------------------------------------------------|---------------------------|
 * | is `.` or `..`: a path with them is another path, however encoded    | 307, and then about another |
 * | has a character without a shape: of control, of direction, of no use | 400                       |
 */
export function whyUnreadable(name: string): string | undefined {
  if (name === '.' || name === '..')
    return 'Consul takes a path with that name for another path; give the service another name';
  return PRINTABLE.test(name)
    ? undefined
    : 'Consul takes no path with a character in it that cannot be printed; give the service another name';
}

export function isReadableName(name: string): boolean {
  return whyUnreadable(name) === undefined;
}
