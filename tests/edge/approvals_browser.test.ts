/**
 * The page in a real browser, on a phone and on a desk, in light and in dark: that its policy lets it look as it should and nothing run, that
 * the form arrives (a browser decides itself which Origin it sends), that another site's form does not, and that the return key decides
 * nothing. Screenshots stay in a temporary folder, for who wants to look.
 */
import { existsSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { stage } from '../fakes/tools.ts';
import { ADMIN, house, VIEWER } from './approvals_house.ts';

const CHROMIUM = '/usr/bin/chromium';
const real = process.env.DECKHAND_REAL === '1' && existsSync(CHROMIUM);
if (!real) process.stderr.write(`SKIPPED: the page in a browser needs DECKHAND_REAL=1 and ${CHROMIUM}\n`);

const SIZES = {
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
  desk: { viewport: { width: 1280, height: 800 } },
} as const;

describe.skipIf(!real)('in Chromium', { timeout: 120_000 }, () => {
  let browser: Browser;
  let shots: string;
  beforeAll(async () => {
    shots = mkdtempSync(join(tmpdir(), 'deckhand-approvals-'));
    process.stderr.write(`screenshots: ${shots}\n`);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  }, 120_000);
  afterAll(() => browser?.close());
  beforeEach(() => stage.reset());

  async function look(size: keyof typeof SIZES, colorScheme: 'light' | 'dark' = 'light') {
    const context: BrowserContext = await browser.newContext({ ...SIZES[size], colorScheme });
    onTestFinished(() => context.close());
    const page: Page = await context.newPage();
    const said: string[] = [];
    page.on('console', (m) => void said.push(`${m.type()}: ${m.text()}`));
    page.on('pageerror', (e) => void said.push(String(e)));
    page.on('dialog', (d) => {
      said.push(`dialog: ${d.message()}`);
      void d.dismiss();
    });
    page.on('requestfailed', (r) => void said.push(`failed: ${r.url()}`));
    const shot = (name: string) =>
      page.screenshot({ path: join(shots, `${name}-${size}-${colorScheme}.png`), fullPage: true });
    return { context, page, said, shot };
  }

  const EVIL = '</pre><script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.exe ';
  const asking = (h: Awaited<ReturnType<typeof house>>, risk: 'change' | 'destroy' = 'change') =>
    h.put({
      risk,
      tool: 'container_control',
      targets: [{ kind: 'container', name: 'web' }],
      from: { id: 'c', face: 'mcp-http', client: 'claude-code 2.1', address: '192.0.2.17' },
      input: JSON.stringify({ container: 'web', action: 'restart', note: EVIL, long: 'x'.repeat(3_000) }),
      preview: {
        summary: `Restart the container web. ${EVIL}`,
        diff: '-running since 3 d\n+started anew',
        digest: 'd',
      },
    });

  test.each([
    ['phone', 'light'],
    ['phone', 'dark'],
    ['desk', 'light'],
    ['desk', 'dark'],
  ] as const)('on a %s, %s: looked at, and approved by a press', async (size, scheme) => {
    const h = await house();
    const path = asking(h, scheme === 'dark' ? 'destroy' : 'change');
    const { page, said, shot } = await look(size, scheme);
    await page.goto(`${h.origin}${path}`);
    await shot('question');
    expect(h.deciding.recent()[0]?.state).toBe('waiting');
    expect(await page.locator('h1').innerText()).toContain('a change waits for your decision');
    // The style is taken, although nothing else may be.
    expect(await page.evaluate("getComputedStyle(document.querySelector('.yes')).fontWeight")).toBe('700');
    expect(await page.locator('script, img').count()).toBe(0);
    // Nothing is cut off at the side, and what is pressed can be hit with a thumb.
    const wide = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    expect(wide).toBeLessThanOrEqual(0);
    // Nor below: all of the arguments is there for the eyes before the button is.
    expect(
      await page.evaluate("[...document.querySelectorAll('pre')].every((e) => e.scrollHeight <= e.clientHeight)"),
    ).toBe(true);
    for (const name of ['Deny', 'Approve once']) {
      const box = await page.getByRole('button', { name }).boundingBox();
      expect(box?.height ?? 0).toBeGreaterThanOrEqual(44);
    }
    await page.getByLabel('Admin token').fill(ADMIN);
    await page.getByLabel('Reason').fill('go on');
    await page.getByRole('button', { name: 'Approve once' }).click();
    await page.waitForLoadState();
    expect(await page.getByRole('status').innerText()).toBe('Approved');
    await shot('approved');
    expect(h.deciding.recent()[0]).toMatchObject({ state: 'granted', approver: 'token:phone', because: 'go on' });
    expect(await page.content()).not.toContain(ADMIN);
    expect(said).toEqual([]);
    await page.goBack();
    await page.goto(`${h.origin}${path}`);
    expect(await page.locator('h1').innerText()).toBe('Nothing waits under this link.');
    await shot('gone');
  });

  test('denied; and a token that may not says so, is not shown again, and leaves the reason', async () => {
    const h = await house();
    const path = asking(h);
    const { page, shot } = await look('phone');
    await page.goto(`${h.origin}${path}`);
    await page.getByLabel('Admin token').fill(VIEWER);
    await page.getByLabel('Reason').fill('after the backup');
    await page.getByRole('button', { name: 'Deny' }).click();
    await page.waitForLoadState();
    expect(await page.getByRole('alert').innerText()).toContain('token:viewer may not decide');
    await shot('refused');
    expect(await page.getByLabel('Admin token').inputValue()).toBe('');
    expect(await page.getByLabel('Reason').inputValue()).toBe('after the backup');
    await page.getByLabel('Admin token').fill(ADMIN);
    await page.getByRole('button', { name: 'Deny' }).click();
    await page.waitForLoadState();
    expect(await page.getByRole('status').innerText()).toBe('Refused');
    expect(h.deciding.recent()[0]).toMatchObject({ state: 'refused', because: 'after the backup' });
  });

  test('the return key decides nothing; without a token nothing is sent', async () => {
    const h = await house();
    const path = asking(h);
    const { page } = await look('desk');
    const posts: string[] = [];
    page.on('request', (r) => void (r.method() === 'POST' && posts.push(r.url())));
    await page.goto(`${h.origin}${path}`);
    await page.getByRole('button', { name: 'Approve once' }).click();
    await page.getByLabel('Admin token').fill(ADMIN);
    await page.getByLabel('Admin token').press('Enter');
    await page.getByLabel('Reason').press('Enter');
    await page.reload();
    expect(posts).toEqual([]);
    expect(h.deciding.recent()[0]?.state).toBe('waiting');
    // By keyboard alone it can be done all the same.
    await page.getByLabel('Admin token').fill(ADMIN);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Deny');
    await page.keyboard.press('Enter');
    await vi.waitFor(() => expect(h.deciding.recent()[0]?.state).toBe('refused'));
  });

  test('another site’s form, with link and token right, decides nothing, and cannot frame the page', async () => {
    const h = await house();
    const path = asking(h);
    const { page } = await look('desk');
    // This browser has the page, and so its cookie.
    await page.goto(`${h.origin}${path}`);
    const csrf = (await page.locator('input[name=csrf]').getAttribute('value')) ?? '';
    const arrived: string[] = [];
    const fields = { csrf, token: ADMIN, decision: 'approve', because: '' };
    const inputs = Object.entries(fields).map(([k, v]) => `<input name="${k}" value="${v}">`);
    const evil = createServer((request, response) => {
      if (request.method === 'POST') arrived.push(String(request.headers.origin));
      const to = request.url === '/own' ? '' : `${h.origin}${path}`;
      response.setHeader('content-type', 'text/html');
      response.end(
        `<form method="post" action="${to}">${inputs.join('')}<button>go</button></form><iframe src="${h.origin}${path}"></iframe>`,
      );
    }).listen(0, '127.0.0.1');
    await new Promise((ok) => evil.once('listening', ok));
    onTestFinished(() => {
      evil.closeAllConnections();
      evil.close();
    });
    const { port } = evil.address() as AddressInfo;
    // Another name is another site; so is another port another origin.
    for (const name of ['localhost', '127.0.0.1']) {
      await page.goto(`http://${name}:${port}/`);
      expect(page.frames().some((f) => f.url().startsWith(h.origin) && f.url() !== page.url())).toBe(false);
      await page.getByRole('button').click();
      await page.waitForURL(/approvals/);
      expect(h.deciding.recent()[0]?.state).toBe('waiting');
    }
    // The control: the same form, sent to a server that does not ask where it comes from, arrives.
    await page.goto(`http://localhost:${port}/own`);
    await page.getByRole('button').click();
    await vi.waitFor(() => expect(arrived).toHaveLength(1));
  });
});
