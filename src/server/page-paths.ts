/** Which paths are the inspector page's. They need no key, since the page itself asks for the key. */

/** As the router has them. */
export const pagePaths: readonly string[] = ["/", "/favicon.svg", "/assets/*"];

export function isPagePath(path: string): boolean {
  return path === "/" || path === "/favicon.svg" || path.startsWith("/assets/");
}
