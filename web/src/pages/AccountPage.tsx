import { useQuery } from 'urql';
import { formatDate } from '../api/formats';
import { useSession } from '../api/session';
import { LoadProblem } from '../components/LoadProblem';
import { Loading } from '../components/Loading';
import { MyData } from '../components/MyData';
import { NoticeList } from '../components/NoticeList';
import { SignOutButton } from '../components/SignOutButton';
import { UsageList } from '../components/UsageList';
import { AccountDocument } from '../graphql/operations';
import { useDocumentTitle } from '../hooks/useDocumentTitle';

/** Usage, limits, notices, and the viewer's data. */
export function AccountPage(): React.JSX.Element {
  useDocumentTitle('Account');
  const { owner, signOut } = useSession();
  const [{ data, error }, reload] = useQuery({ query: AccountDocument });
  const viewer = data?.viewer;
  return (
    <div className="page reading stack large">
      <div className="row between">
        <div>
          <h1 tabIndex={-1}>Account</h1>
          <p className="muted">Signed in as {owner}</p>
        </div>
        {signOut && <SignOutButton onSignOut={signOut} />}
      </div>
      {!viewer &&
        (error ? (
          <LoadProblem error={error} onRetry={() => reload({ requestPolicy: 'network-only' })} />
        ) : (
          <Loading />
        ))}
      {viewer && (
        <>
          <section className="card stack" aria-labelledby="usage-title">
            <h2 id="usage-title">Usage and limits</h2>
            <UsageList usage={viewer.usage} limits={viewer.limits} />
            <p className="muted">The daily counts are reset on {formatDate(viewer.usage.resetsAt)}.</p>
          </section>
          <section className="card stack" aria-labelledby="notices-title">
            <h2 id="notices-title">Notices</h2>
            <NoticeList notices={viewer.notices.nodes} />
          </section>
        </>
      )}
      <MyData />
    </div>
  );
}
