import { formatDate } from '../api/formats';
import { type AccountQuery } from '../graphql/operations';

/** What the server wants the viewer to know. */
export function NoticeList(props: {
  notices: AccountQuery['viewer']['notices']['nodes'];
}): React.JSX.Element {
  const { notices } = props;
  if (notices.length === 0) return <p className="muted">There are no notices.</p>;
  return (
    <ul className="notice-list">
      {notices.map(({ id, message, createdAt }) => (
        <li key={id}>
          <p>{message}</p>
          <p className="muted">{formatDate(createdAt)}</p>
        </li>
      ))}
    </ul>
  );
}
