package attestation

import "strings"

// readV1 reads SLSA provenance v1 (slsa.dev/spec/v1.0/provenance): that of GitHub's
// artifact attestations, the generator's container-based builder, BuildKit and Google
// Cloud Build.
func (p *Provenance) readV1(r *reader, predicate any) {
	o := r.object(predicate, "predicate", "buildDefinition", "runDetails")
	def := r.object(o["buildDefinition"], "buildDefinition", "buildType", "externalParameters", "internalParameters", "resolvedDependencies")
	run := r.object(o["runDetails"], "runDetails", "builder", "metadata", "byproducts")
	p.Builder = r.text(r.object(run["builder"], "builder", "id"), "id")
	p.BuildType = r.text(def, "buildType")
	meta := r.object(run["metadata"], "metadata")
	p.Invocation = r.text(meta, "invocationId")
	if p.Invocation == "" {
		p.Invocation = r.text(meta, "invocationID")
	}
	p.materials(r, r.list(def, "resolvedDependencies"))
	external := r.object(def["externalParameters"], "externalParameters", "workflow", "buildConfigSource", "configSource", "request", "source")
	internal := r.object(def["internalParameters"], "internalParameters", "github", "systemSubstitutions")
	if len(p.Materials) > 0 {
		p.Source = location(p.Materials[0].URI, p.Materials[0].Digests)
	}
	switch p.BuildType {
	case gitHubWorkflow:
		p.readWorkflow(r, external, internal)
	case cloudBuildV1:
		p.readCloudBuild(r, external, internal)
	case buildKitV1:
		config := r.object(external["configSource"], "configSource", "uri", "digest", "path")
		p.Trigger = location(r.text(config, "uri"), r.digests(config["digest"], "configSource's digest"))
		vcs := r.object(r.object(meta["buildkit_metadata"], "BuildKit's metadata")["vcs"], "vcs")
		p.readBuildKit(r, r.text(config, "path"), external["request"], vcs)
	default:
		p.readRunner(r, external, internal)
	}
}

// readWorkflow reads what actions/attest-build-provenance says.
func (p *Provenance) readWorkflow(r *reader, external, internal object) {
	w := r.object(external["workflow"], "workflow", "ref", "repository", "path")
	p.Trigger = Location{Repository: r.text(w, "repository"), Ref: r.text(w, "ref"), Commit: p.Source.Commit}
	p.Workflow = r.text(w, "path")
	p.Event = r.text(r.object(internal["github"], "github", "event_name"), "event_name")
	p.setRef(p.Trigger.Ref)
}

// readCloudBuild reads what Google Cloud Build says. A tag or branch counts only where
// the request and the trigger's own substitutions agree.
func (p *Provenance) readCloudBuild(r *reader, external, internal object) {
	config := r.object(external["buildConfigSource"], "buildConfigSource", "repository", "ref", "path")
	p.Trigger = location(r.text(config, "repository"), nil)
	p.Trigger.Ref = r.text(config, "ref")
	p.Workflow = r.text(config, "path")
	p.Source = p.Trigger
	p.fields = r.object(internal["systemSubstitutions"], "systemSubstitutions")
	for _, m := range p.Materials {
		if l := location(m.URI, m.Digests); l.Repository == p.Trigger.Repository {
			p.Source.Commit, p.Trigger.Commit = l.Commit, l.Commit
			break
		}
	}
	if tag, _ := p.fields["TAG_NAME"].(string); tag != "" && p.Trigger.Ref == "refs/tags/"+tag {
		p.Tag = p.Trigger.Ref
	}
	if branch, _ := p.fields["BRANCH_NAME"].(string); branch != "" && p.Trigger.Ref == "refs/heads/"+branch {
		p.Branch = p.Trigger.Ref
	}
}

// readRunner reads what the generator's builders on GitHub's runners say: the workflow
// that started them is in GITHUB_WORKFLOW_REF, OWNER/REPOSITORY/PATH@REF.
func (p *Provenance) readRunner(r *reader, external, internal object) {
	workflow := r.text(internal, "GITHUB_WORKFLOW_REF")
	if name, ref, ok := strings.Cut(workflow, "@"); ok {
		parts := strings.SplitN(name, "/", 3)
		if len(parts) == 3 {
			p.Trigger = Location{Repository: "https://github.com/" + parts[0] + "/" + parts[1], Ref: ref, Commit: r.text(internal, "GITHUB_SHA")}
			p.Workflow = parts[2]
		}
	}
	if w, ok := external["workflow"].(map[string]any); ok && p.Trigger.Repository == "" {
		p.Trigger = Location{Repository: r.text(w, "repository"), Ref: r.text(w, "ref")}
		p.Workflow = r.text(w, "path")
	}
	p.readEnvironment(r, internal)
	if p.Tag == "" && p.Branch == "" {
		p.setRef(p.Trigger.Ref)
	}
}
