package attestation

import "strings"

// Build types.
const (
	generator      = "https://github.com/slsa-framework/slsa-github-generator"
	byob           = generator + "/delegator-generic@v0"
	containerBased = "https://slsa.dev/container-based-build/v0.1?draft"
	gitHubWorkflow = "https://actions.github.io/buildtypes/workflow/v1"
	buildKitV02    = "https://mobyproject.org/buildkit@v1"
	buildKitV1     = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
	cloudBuildV1   = "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1"
	npmV1          = "https://github.com/npm/cli/gha@v1"
)

// readV02 reads SLSA provenance v0.2 (slsa.dev/spec/v0.2/provenance): that of the GitHub
// generator and of BuildKit.
func (p *Provenance) readV02(r *reader, predicate any) {
	o := r.object(predicate, "predicate", "builder", "buildType", "invocation", "buildConfig", "metadata", "materials")
	p.Builder = r.text(r.object(o["builder"], "builder", "id"), "id")
	p.BuildType = r.text(o, "buildType")
	p.materials(r, r.list(o, "materials"))
	run := r.object(o["invocation"], "invocation", "configSource", "parameters", "environment")
	config := r.object(run["configSource"], "configSource", "uri", "digest", "entryPoint")
	p.Trigger = location(r.text(config, "uri"), r.digests(config["digest"], "configSource's digest"))
	entry := r.text(config, "entryPoint")
	meta := r.object(o["metadata"], "metadata")
	p.Invocation = r.text(meta, "buildInvocationID")
	if p.Invocation == "" {
		p.Invocation = r.text(meta, "buildInvocationId")
	}
	if p.BuildType == buildKitV02 {
		vcs := r.object(r.object(meta["https://mobyproject.org/buildkit@v1#metadata"], "BuildKit's metadata")["vcs"], "vcs")
		p.readBuildKit(r, entry, run["parameters"], vcs)
		return
	}
	p.Workflow = entry
	if len(p.Materials) > 0 {
		p.Source = location(p.Materials[0].URI, p.Materials[0].Digests)
	}
	p.readEnvironment(r, r.object(run["environment"], "environment"))
}

// readEnvironment reads what GitHub's runner says of the reference that was built, under
// names in small or in capital letters.
func (p *Provenance) readEnvironment(r *reader, env object) {
	name := func(small string) string {
		if _, ok := env[small]; ok {
			return small
		}
		return strings.ToUpper(small)
	}
	p.Event = r.text(env, name("github_event_name"))
	ref := r.text(env, name("github_ref"))
	switch kind := r.text(env, name("github_ref_type")); kind {
	case "branch":
		p.Branch = ref
	case "tag":
		p.Tag = ref
		p.Branch = p.branchOfTag(r, r.text(env, name("github_base_ref")), env[name("github_event_payload")])
	case "":
	default:
		p.problems = append(p.problems, "github_ref_type is "+kind)
	}
	if commit := r.text(env, name("github_sha1")); commit != "" && p.Trigger.Commit != "" && commit != p.Trigger.Commit {
		p.problems = append(p.problems, "the environment's commit "+commit+" is not the trigger's "+p.Trigger.Commit)
	}
}

// branchOfTag is the branch that a tag was pushed from or a release made for, where the
// event says so.
func (p *Provenance) branchOfTag(r *reader, base string, payload any) string {
	if base != "" {
		return base
	}
	event, ok := payload.(map[string]any)
	if !ok {
		return ""
	}
	switch p.Event {
	case "push":
		if ref, ok := event["base_ref"].(string); ok {
			return ref
		}
	case "release":
		release, _ := event["release"].(map[string]any)
		if branch, ok := release["target_commitish"].(string); ok && branch != "" {
			return "refs/heads/" + branch
		}
	}
	return ""
}

// readBuildKit reads what BuildKit says of the request in both versions (moby/buildkit,
// docs/attestations/slsa-provenance.md). In mode=min there are fewer arguments.
func (p *Provenance) readBuildKit(r *reader, entry string, request any, vcs object) {
	o := r.object(request, "request", "frontend", "args")
	args := r.object(o["args"], "args")
	p.Args = map[string]string{}
	for name := range args {
		if arg, ok := strings.CutPrefix(name, "build-arg:"); ok {
			p.Args[arg] = r.text(args, name)
		}
	}
	p.Target = r.text(args, "target")
	p.Source = p.Trigger
	if p.Source.Repository == "" {
		p.Source = location(r.text(vcs, "source"), nil)
		p.Source.Commit = strings.TrimSuffix(r.text(vcs, "revision"), "-dirty")
		p.Source.Directory = r.text(vcs, "localdir:context")
	}
	if p.Source.Commit == "" && p.Source.Repository != "" {
		for _, m := range p.Materials {
			if l := location(m.URI, m.Digests); l.Repository == p.Source.Repository {
				p.Source.Commit = l.Commit
			}
		}
	}
	p.Dockerfile = entry
	if name := r.text(args, "filename"); name != "" {
		p.Dockerfile = name
	}
	p.setRef(p.Source.Ref)
}

// readV01 reads SLSA provenance v0.1, which Google Cloud Build made until 2023.
func (p *Provenance) readV01(r *reader, predicate any) {
	o := r.object(predicate, "predicate", "builder", "recipe", "metadata", "materials")
	p.Builder = r.text(r.object(o["builder"], "builder", "id"), "id")
	p.materials(r, r.list(o, "materials"))
	recipe := r.object(o["recipe"], "recipe", "type", "entryPoint", "arguments", "environment")
	p.BuildType, p.Workflow = r.text(recipe, "type"), r.text(recipe, "entryPoint")
	args := r.object(recipe["arguments"], "arguments", "@type", "substitutions")
	p.argsType = r.text(args, "@type")
	p.fields = r.object(args["substitutions"], "substitutions")
	if len(p.Materials) > 0 {
		p.Source = location(p.Materials[0].URI, p.Materials[0].Digests)
		p.Trigger = p.Source
	}
	if tag, ok := p.fields["TAG_NAME"].(string); ok && tag != "" {
		p.Tag = "refs/tags/" + tag
	}
	p.Invocation = r.text(r.object(o["metadata"], "metadata"), "buildInvocationId")
}
