/** What may follow something that is removed from a list. */
const neighbours = 'li, ul, article, section, .loading';
/** Where to go on if nothing follows. */
const surroundings = 'article, section, dialog, main';

/** An element, and its place among those of its parent. */
interface Step {
  readonly element: Element;
  readonly index: number;
}

/** The element with those that it is in, from the inside. */
function pathOf(element: Element): Step[] {
  const { parentElement } = element;
  const index = parentElement ? [...parentElement.children].indexOf(element) : 0;
  return [{ element, index }, ...(parentElement ? pathOf(parentElement) : [])];
}

/** Where to go on after the innermost elements of a path were removed. */
function findNext(path: readonly Step[]): Element | null {
  const first = path.findIndex(({ element }) => element.isConnected);
  const [removed, parent] = [path[first - 1], path[first]?.element];
  if (!removed || !parent) return null;
  const { children } = parent;
  const beside = [children[removed.index], children[removed.index - 1]];
  const around = parent.closest(surroundings);
  const heading = around?.matches('main') ? around.querySelector('h1') : null;
  return beside.find((element) => element?.matches(neighbours)) ?? heading ?? around;
}

/**
 * Moves the focus on when the element that has it is removed, such as the button of a photo with the photo: otherwise people with
 * a keyboard or a screen reader would begin at the top of the page.
 */
export function keepFocus(): void {
  let path: readonly Step[] = [];
  const isLost = (): boolean => path[0]?.element.isConnected === false;
  const recover = (): void => {
    const next = isLost() && document.activeElement === document.body ? findNext(path) : null;
    if (!(next instanceof HTMLElement)) return;
    if (!next.hasAttribute('tabindex')) next.tabIndex = -1;
    next.focus({ preventScroll: true });
  };
  addEventListener('focusin', ({ target }) => (path = pathOf(target as Element)));
  // It takes the focus away without giving it to another element.
  addEventListener('pointerdown', () => (path = []));
  // Later, since a dialog that is closed gives the focus back itself.
  new MutationObserver(() => {
    if (isLost()) setTimeout(recover);
  }).observe(document.body, { childList: true, subtree: true });
}
