"""Run by `manage.py shell` of a new Wagtail site: some content of every kind that its own code writes."""

import io

from django.contrib.auth import get_user_model
from django.core.files.images import ImageFile
from home.models import HomePage
from PIL import Image as Picture
from wagtail.contrib.redirects.models import Redirect
from wagtail.documents.models import Document
from wagtail.images.models import Image
from wagtail.models import Collection, Locale, Page, Site, Task, Workflow, WorkflowTask

owner = get_user_model().objects.create_superuser("admin", "admin@example.com", "a password")
for number in range(20):
    get_user_model().objects.create_user(f"author{number}", f"author{number}@example.com", "a password")
Locale.objects.get_or_create(language_code="cs")
home = HomePage.objects.first()
for number in range(60):
    page = home.add_child(instance=HomePage(title=f"Page {number}: žluťoučký kůň 🐎 ' \" \\", slug=f"page-{number}"))
    for revision in range(3):
        page.title = f"{page.title} {revision}"
        page.save_revision(user=owner).publish()
    if number % 10 == 0:
        page.unpublish()
Page.objects.get(slug="page-3").move(Page.objects.get(slug="page-4").specific, "last-child")
Page.objects.get(slug="page-5").copy(update_attrs={"slug": "page-5-copy"}, recursive=True)
collection = Collection.get_first_root_node().add_child(name="Pictures")
for number in range(10):
    written = io.BytesIO()
    Picture.new("RGB", (40, 30), (number, 20, 30)).save(written, "PNG")
    written.seek(0)
    image = Image.objects.create(
        title=f"picture {number}", file=ImageFile(written, f"{number}.png"), collection=collection
    )
    image.get_rendition("fill-20x20")
    image.tags.add("a tag", f"tag {number}")
Document.objects.create(title="a document", file=ImageFile(io.BytesIO(b"text"), "a.txt"), collection=collection)
Redirect.add_redirect("/old", home)
workflow = Workflow.objects.create(name="Two eyes", active=True)
WorkflowTask.objects.create(workflow=workflow, task=Task.objects.create(name="look"))
Site.objects.create(hostname="second.example.com", root_page=home)
Page.objects.get(slug="page-7").delete()
