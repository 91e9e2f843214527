import { type ReactNode } from 'react';
import { Icon } from './Icon';

export interface EmptyListProps {
  /** Where a first entry comes from: the address of a page and what it is called. */
  readonly link: { readonly href: string; readonly label: string };
  readonly children: ReactNode;
}

/** Stands in the place of a list without entries. */
export function EmptyList({ link, children }: EmptyListProps): React.JSX.Element {
  return (
    <div className="empty">
      <Icon name="image" />
      <p>{children}</p>
      <a className="button" href={link.href}>
        {link.label}
      </a>
    </div>
  );
}
