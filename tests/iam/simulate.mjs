// Reads rows [policy, why, action, resource, context, allowed] as JSON from standard input and judges each with
// iam-simulate, a policy engine. usage: simulate.mjs FOLDER-OF-NODE-MODULES FOLDER-OF-POLICIES
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const [modules, policies] = process.argv.slice(2)
const { runSimulation } = createRequire(`${modules}/`)('@cloud-copilot/iam-simulate')
const ACCOUNT = '123456789012'
let failed = 0, count = 0

for (const [name, why, action, resource, contextVariables, allowed] of JSON.parse(readFileSync(0))) {
  const policy = JSON.parse(readFileSync(`${policies}/${name}`).toString().replaceAll('ZONE_ID', 'Z1FXLQ1OABKR4O'))
  const answer = await runSimulation({
    request: {
      principal: `arn:aws:iam::${ACCOUNT}:user/ddns53`,
      action,
      resource: { resource, accountId: ACCOUNT },
      contextVariables
    },
    identityPolicies: [{ name, policy }],
    serviceControlPolicies: [],
    resourceControlPolicies: []
  }, {})
  count++
  const verdict = answer.resultType === 'error' ? JSON.stringify(answer.errors) : String(answer.overallResult ?? JSON.stringify(answer))
  if ((verdict === 'Allowed') !== allowed || !/^(Allowed|.*Denied)$/.test(verdict)) {
    failed++
    console.error(`${name}: ${why}: ${action} on ${resource}: ${verdict}, should be ${allowed ? 'allowed' : 'denied'}`)
  }
}
console.log(`passed ${count - failed} failed ${failed} skipped 0`)
process.exit(failed ? 1 : 0)
